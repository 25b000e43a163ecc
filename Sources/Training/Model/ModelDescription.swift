// SPDX-License-Identifier: Apache-2.0
internal import Foundation
public import NeuralCore

/// A network's make, as checkpoints keep it.
public struct ModelDescription: Codable, Equatable, Sendable {
  /// The widths of all layers: inputs, hidden ones, outputs.
  public var widths: [Int]
  /// What hidden layers end in; the last one ends in nothing.
  public var activation: ActivationName
  /// What was minimized.
  public var loss: LossName
  /// How inputs of layers are normalized.
  public var batchNorm: BatchNormName
  /// Which gradient goes back through batch norm.
  public var batchNormBackward: BatchNormBackwardName
  /// The share of the running statistics that a step keeps.
  public var batchNormMomentum: Double
  /// What is added to variances under the root.
  public var epsilon: Double
  /// The classes in the order of the outputs; empty for numeric targets.
  public var labels: [String]

  enum CodingKeys: String, CodingKey {
    case widths, activation, loss, epsilon, labels
    case batchNorm = "batch_norm"
    case batchNormBackward = "batch_norm_backward"
    case batchNormMomentum = "batch_norm_momentum"
  }

  /// The make that options and data ask for.
  public init(_ options: TrainingOptions, inputs: Int, outputs: Int, labels: [String]) {
    widths = [inputs] + options.layers + [outputs]
    activation = options.activation
    loss = options.loss
    batchNorm = options.batchNorm
    batchNormBackward = options.batchNormBackward
    batchNormMomentum = options.batchNormMomentum
    epsilon = options.epsilon
    self.labels = labels
  }

  /// Reads the form that ``json`` writes.
  ///
  /// - Throws: ``TrainingError/unsuitableModel(_:)`` when it is damaged or can't be.
  public init(json: String, path: String) throws(TrainingError) {
    guard let read = try? JSONDecoder().decode(Self.self, from: Data(json.utf8)),
      read.widths.count >= 2, read.widths.allSatisfy({ (1...1 << 24).contains($0) }),
      read.epsilon > 0, read.labels.isEmpty || read.labels.count == read.widths.last
    else {
      throw .unsuitableModel("\(path): the description of the network is damaged")
    }
    self = read
  }

  /// A JSON object with sorted keys.
  public var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }

  /// A network of this make with the initial weights of a seed.
  public func makeNetwork(
    optimizer: any Optimizer = VanillaSGDOptimizer(),
    schedule: LearningRateSchedule = LearningRateSchedule(base: 1e-3), clipNorm: Double? = nil,
    seed: UInt64 = 0
  ) throws -> NeuralNetwork {
    let normalization =
      batchNorm == .off
      ? nil
      : BatchNormalization(
        scope: batchNorm == .local ? .replica : .batch,
        backward: batchNormBackward == .exact ? .exact : .frozenStatistics,
        momentum: batchNormMomentum, epsilon: epsilon)
    let last = widths.count - 2
    let layers = (0...last).map { index in
      FullyConnectedLayer(
        inputs: widths[index], outputs: widths[index + 1],
        activation: index == last ? Identity() : activation.function, normalization: normalization)
    }
    return try NeuralNetwork(
      layers: layers, loss: loss.function, optimizer: optimizer, schedule: schedule,
      clipNorm: clipNorm, seed: seed)
  }
}
