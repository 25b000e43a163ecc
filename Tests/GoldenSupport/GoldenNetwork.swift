// SPDX-License-Identifier: Apache-2.0
package import NeuralCore

/// Makes the network of a reference case from the layers that it describes.
package struct GoldenNetwork {
  private let golden: GoldenFile.Case

  package init(_ golden: GoldenFile.Case) {
    self.golden = golden
  }

  package func make() throws -> NeuralNetwork {
    let network = try NeuralNetwork(
      layers: (0..<golden.widths.count - 1).map(block),
      loss: Self.loss(golden.loss, golden.lossParameter), optimizer: golden.optimizer.make(),
      clipNorm: golden.clip, seed: golden.seed ?? 0)
    network.maxNorm = golden.optimizer.maxNorm
    return network
  }

  /// Layer `index` of the network, with its normalization, dropout and residual connection.
  private func block(_ index: Int) throws -> Layer {
    let (inputs, outputs) = (golden.widths[index], golden.widths[index + 1])
    let isHidden = index < golden.widths.count - 2
    var members: [(name: String, layer: Layer)] = []
    if index == 0, let probability = golden.inputDropout, probability > 0 {
      members.append(("input_dropout", Dropout(features: inputs, probability: probability)))
    }
    if golden.norm == "layer" {
      members.append(("norm", LayerNorm(features: inputs, epsilon: golden.batchNormEpsilon)))
    }
    let linear = FullyConnectedLayer(
      inputs: inputs, outputs: outputs,
      activation: isHidden ? try Self.activation(golden.activation) : Identity(),
      normalization: golden.norm ?? "batch" == "batch" ? batchNormalization : nil)
    members.append(("", linear))
    if isHidden, let probability = golden.dropout?[index], probability > 0 {
      members.append(("dropout", Dropout(features: outputs, probability: probability)))
    }
    let layer = members.count == 1 ? linear : try Sequential(members)
    let isSkipped = golden.residual == true && isHidden && inputs == outputs
    return isSkipped ? try Residual(layer) : layer
  }

  private var batchNormalization: BatchNormalization {
    BatchNormalization(
      backward: golden.mode == "exact" ? .exact : .frozenStatistics,
      momentum: golden.batchNormMomentum,
      averagesFirstBatches: golden.batchNormAveraging ?? false, epsilon: golden.batchNormEpsilon)
  }

  /// The loss function of a name in the references.
  ///
  /// - Parameter parameter: delta, tau or the label smoothing; nil for losses without one.
  package static func loss(_ name: String, _ parameter: Double?) throws -> any LossFunction {
    switch name {
    case "cross-entropy": return CrossEntropy(labelSmoothing: parameter ?? 0)
    case "mse": return MeanSquaredError()
    case "mae": return MeanAbsoluteError()
    case "huber": return Huber(delta: parameter ?? 1)
    case "poisson": return PoissonLoss()
    case "quantile": return QuantileLoss(tau: parameter ?? 0.5)
    case "binary-cross-entropy": return BinaryCrossEntropy()
    default: throw GoldenError.missing("loss \(name)")
    }
  }

  static func activation(_ name: String) throws -> any ActivationFunction {
    guard let activation = activations[name] else {
      throw GoldenError.missing("activation \(name)")
    }
    return activation
  }

  private static let activations: [String: any ActivationFunction] = [
    "relu": Relu(), "leaky-relu": LeakyRelu(), "elu": Elu(), "gelu": Gelu(), "silu": Silu(),
    "softplus": Softplus(), "tanh": Tanh(), "sigmoid": Sigmoid(), "identity": Identity(),
  ]
}
