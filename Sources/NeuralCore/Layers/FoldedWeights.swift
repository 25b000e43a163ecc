// SPDX-License-Identifier: Apache-2.0

/// A layer's weights and bias with the normalization by running statistics folded in.
///
/// With r = 1 / sqrt(running variance + eps): W'_kj = W_kj gamma_j r_j and
/// b' = b + W (beta - gamma * r * running mean), so inference is one product.
///
/// Folding subtracts W' mean from W' x, which costs as many digits as the mean has deviations. When
/// a feature's mean is beyond ``greatestMean`` deviations, the mean is subtracted from a copy of the
/// input instead, and b' = b + W beta.
final class FoldedWeights {
  private static let greatestMean: Float = 256

  private let inputs: Int
  private let outputs: Int
  private var version: Int?
  private var isFolded = false
  private var centers = false
  private var scaled = AlignedBuffer<Float>(count: 0)
  private var means: AlignedBuffer<Float>
  private var centeredInput = AlignedBuffer<Float>(count: 0)
  /// b'.
  let bias: AlignedBuffer<Float>

  init(inputs: Int, outputs: Int) {
    self.inputs = inputs
    self.outputs = outputs
    means = AlignedBuffer(count: inputs)
    bias = AlignedBuffer(count: outputs)
  }

  /// W'^T (`n x m`).
  func weights(_ memory: LayerMemory) -> UnsafePointer<Float> {
    UnsafePointer(isFolded ? scaled.base : memory.tensor(FullyConnectedLayer.Tensor.weight))
  }

  /// Folds anew if parameters or statistics changed since the last time.
  func update(from memory: LayerMemory, _ normalization: BatchNormalization?) {
    guard version != memory.version else { return }
    version = memory.version
    let b = memory.tensor(FullyConnectedLayer.Tensor.bias)
    bias.base.update(from: b, count: outputs)
    guard let normalization else { return }
    if scaled.count == 0 { scaled = AlignedBuffer(count: inputs * outputs) }
    isFolded = true
    fold(memory, Float(normalization.epsilon))
  }

  private func fold(_ memory: LayerMemory, _ epsilon: Float) {
    typealias Tensor = FullyConnectedLayer.Tensor
    let w = memory.tensor(Tensor.weight)
    let gamma = memory.tensor(Tensor.gamma)
    let beta = memory.tensor(Tensor.beta)
    let mean = memory.tensor(Tensor.runningMean)
    let variance = memory.tensor(Tensor.runningVariance)
    means.base.update(from: mean, count: inputs)
    centers = (0..<inputs).contains {
      abs(mean[$0]) > Self.greatestMean * (variance[$0] + epsilon).squareRoot()
    }
    var shifts = [Double](repeating: 0, count: outputs)
    for j in 0..<inputs {
      let scale = gamma[j] / (variance[j] + epsilon).squareRoot()
      let shift = Double(beta[j]) - (centers ? 0 : Double(scale) * Double(mean[j]))
      for k in 0..<outputs {
        let weight = w[j * outputs + k]
        scaled.base[j * outputs + k] = weight * scale
        shifts[k] += Double(weight) * shift
      }
    }
    for k in 0..<outputs { bias.base[k] += Float(shifts[k]) }
  }

  /// The input, or a copy of it with the running means subtracted.
  func centered(_ input: MatrixView) -> MatrixView {
    guard centers else { return input }
    if centeredInput.count < input.elements.count {
      centeredInput = AlignedBuffer(count: input.elements.count)
    }
    for row in 0..<input.rows {
      let source = input.row(row)
      let target = centeredInput.base + row * inputs
      for j in 0..<inputs { target[j] = source[j] - means.base[j] }
    }
    return centeredInput.matrix(rows: input.rows, columns: inputs)
  }
}
