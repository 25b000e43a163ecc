// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
public import Datasets
internal import Foundation
public import NeuralCore

/// A network from a checkpoint, ready for inference.
public final class LoadedModel {
  /// The network's architecture.
  public let description: ModelDescription
  /// The rest of the checkpoint's metadata.
  public let metadata: CheckpointMetadata
  /// The network with the checkpoint's weights and running statistics.
  public let network: NeuralNetwork
  /// The checkpoint's file.
  public let path: String

  /// Loads a checkpoint file, or the best or newest checkpoint of a run directory, as
  /// ``open(_:notice:)`` chooses it.
  ///
  /// - Throws: `CheckpointError` or ``TrainingError`` when there is none, or it is damaged.
  public init(path: String, notice: (String) -> Void = { _ in }) throws {
    let checkpoint = try Self.open(path, notice: notice)
    try checkpoint.verify()
    self.path = checkpoint.path
    metadata = checkpoint.metadata
    description = try ModelDescription(json: metadata.model, path: checkpoint.path)
    try Self.check(description, fits: checkpoint)
    network = try description.makeNetwork()
    for entry in network.store.table.entries {
      try checkpoint.read(
        entry.name, as: entry.specification.layout, into: network.store.elements(of: entry))
    }
    network.store.markChanged()
  }

  /// Checks that the file has the weights that the description claims, before memory is allocated for
  /// them, which is thereby bounded by the size of the file.
  private static func check(
    _ description: ModelDescription, fits checkpoint: Checkpoint
  ) throws(CheckpointError) {
    let widths = description.widths
    for (layer, (inputs, outputs)) in zip(widths, widths.dropFirst()).enumerated() {
      try checkpoint.entry("layers.\(layer).weight", shape: [outputs, inputs])
      if description.norm == .layer {
        try checkpoint.entry("layers.\(layer).norm.gamma", shape: [inputs])
      }
    }
  }

  /// Opens a checkpoint file, or a checkpoint of a run directory: the one that its `checkpoints/best`
  /// names, or the newest intact one if there is no such file.
  ///
  /// The path of a file `best` or `latest` stands for the checkpoint that it names.
  ///
  /// - Parameter notice: receives a sentence, if the best one was chosen, about which that is and how
  ///   to use the last one.
  /// - Throws: `CheckpointError` or ``TrainingError`` when there is none, or it is damaged; also when
  ///   `best` is, or the checkpoint that it names.
  public static func open(
    _ path: String, notice: (String) -> Void = { _ in }
  ) throws -> Checkpoint {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue
    else { return try Checkpoint(path: CheckpointFolder.entry(namedBy: path)?.path ?? path) }
    var failure = CheckpointError.missing(path: path, reason: "there is no checkpoint in it")
    for folder in [path + "/checkpoints", path].map({ CheckpointFolder(path: $0) }) {
      if let best = try folder.best() {
        notice(Self.notice(of: best, last: try folder.entries().last))
        return try folder.checkpoint(best)
      }
      let search = try folder.newestIntact()
      if let found = search.checkpoint { return found }
      if !search.skipped.isEmpty { failure = folder.nothingIntact(search) }
    }
    throw failure
  }

  private static func notice(
    of best: CheckpointFolder.Entry, last: CheckpointFolder.Entry?
  ) -> String {
    guard let last, last.step != best.step else {
      return "the best checkpoint is used, which is also the last: \(best.path)"
    }
    return "the best checkpoint is used, of step \(best.step); for the last, name \(last.path)"
  }
}

/// The architecture of a network, as checkpoints store it.
public struct ModelDescription: Codable, Equatable, Sendable {
  /// The widths of all layers: inputs, hidden ones, outputs.
  public var widths: [Int]
  /// The activation of hidden layers; the last layer has none.
  public var activation: ActivationName
  /// The loss function.
  public var loss: LossName
  /// The parameters of the loss function; nil if it has none, or they have their defaults.
  public var lossParameters: LossParameters?
  /// Batch normalization of the layers' inputs.
  public var batchNorm: BatchNormName
  /// The gradient through batch normalization.
  public var batchNormBackward: BatchNormBackwardName
  /// The momentum of the running statistics.
  public var batchNormMomentum: Double
  /// Whether the running statistics are plain means over the first batches, see
  /// `BatchNormalization.averagesFirstBatches`; false in checkpoints of versions that didn't do so.
  public var batchNormAveraging: Bool
  /// Layer normalization of the layers' inputs, which then have no batch norm; nil for what
  /// ``batchNorm`` says, as in checkpoints of earlier versions.
  public var norm: NormName?
  /// Whether a hidden layer has a residual connection where the one before it has the same width; nil
  /// for no, as in checkpoints of earlier versions.
  public var residual: Bool?
  /// The number that is added to variances for numerical stability.
  public var epsilon: Double
  /// The classes in the order of the outputs; empty for numeric targets.
  public var labels: [String]
  /// What the training data were understood as; nil in checkpoints that were written before there were
  /// schemas, and for networks without data.
  public var schema: TableSchema?

  enum CodingKeys: String, CodingKey {
    case widths, activation, loss, norm, residual, epsilon, labels, schema
    case lossParameters = "loss_parameters"
    case batchNorm = "batch_norm"
    case batchNormBackward = "batch_norm_backward"
    case batchNormMomentum = "batch_norm_momentum"
    case batchNormAveraging = "batch_norm_averaging"
  }

  /// The architecture that options and data ask for.
  public init(
    _ options: TrainingOptions, inputs: Int, outputs: Int, labels: [String],
    schema: TableSchema? = nil
  ) {
    widths = [inputs] + options.layers + [outputs]
    activation = options.activation
    loss = options.lossName
    lossParameters = options.lossParameters
    batchNorm = options.hasBatchNorm ? options.batchNorm : .off
    batchNormBackward = options.batchNormBackward
    batchNormMomentum = options.batchNormMomentum
    batchNormAveraging = true
    norm = options.normName == .layer ? .layer : nil
    residual = options.residual ? true : nil
    epsilon = options.epsilon
    self.labels = labels
    self.schema = schema
  }

  /// Whether predictions are right or wrong: those of classes, and of targets of 0 and 1.
  public var hasAccuracy: Bool { !labels.isEmpty || loss == .binaryCrossEntropy }

  /// How new data are read for this model.
  ///
  /// Checkpoints without a schema take columns by their places.
  public var readingSchema: TableSchema {
    if let schema { return schema }
    let outputs = widths.last ?? 1
    return TableSchema(
      target: labels.isEmpty
        ? .values(scales: (1...outputs).map { TableSchema.Scale(unscaled: "target \($0)") })
        : .classes(labels: labels, counts: labels.map { _ in 0 }))
  }

  /// Decodes a description, from checkpoints of all versions.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    widths = try fields.decode([Int].self, forKey: .widths)
    activation = try fields.decode(ActivationName.self, forKey: .activation)
    loss = try fields.decode(LossName.self, forKey: .loss)
    lossParameters = try fields.decodeIfPresent(LossParameters.self, forKey: .lossParameters)
    batchNorm = try fields.decode(BatchNormName.self, forKey: .batchNorm)
    batchNormBackward = try fields.decode(BatchNormBackwardName.self, forKey: .batchNormBackward)
    batchNormMomentum = try fields.decode(Double.self, forKey: .batchNormMomentum)
    batchNormAveraging = try fields.decodeIfPresent(Bool.self, forKey: .batchNormAveraging) ?? false
    norm = try fields.decodeIfPresent(NormName.self, forKey: .norm)
    residual = try fields.decodeIfPresent(Bool.self, forKey: .residual)
    epsilon = try fields.decode(Double.self, forKey: .epsilon)
    labels = try fields.decode([String].self, forKey: .labels)
    schema = try fields.decodeIfPresent(TableSchema.self, forKey: .schema)
  }

  /// Reads the form that ``json`` writes.
  ///
  /// - Throws: ``TrainingError/unsuitableModel(_:)`` when it is damaged or impossible.
  public init(json: String, path: String) throws(TrainingError) {
    guard let read = try? JSONDecoder().decode(Self.self, from: Data(json.utf8)),
      read.widths.count >= 2, read.widths.allSatisfy({ (1...1 << 24).contains($0) }),
      read.epsilon > 0, read.lossParameters?.isValid ?? true,
      read.labels.isEmpty || read.labels.count == read.widths.last,
      read.schema?.isValid(inputs: read.widths[0], outputs: read.widths[read.widths.count - 1])
        ?? true, read.schema.map({ $0.labels == read.labels }) ?? true
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

  /// A network of this architecture with the initial weights of a seed.
  ///
  /// - Parameter dropout: where training has dropout. It is no part of the architecture: inference has
  ///   none, and the tensors are the same.
  public func makeNetwork(
    optimizer: any Optimizer = VanillaSGDOptimizer(),
    schedule: LearningRateSchedule = LearningRateSchedule(base: 1e-3), clipNorm: Double? = nil,
    seed: UInt64 = 0, dropout: DropoutProbabilities = DropoutProbabilities()
  ) throws -> NeuralNetwork {
    try NeuralNetwork(
      layers: (0..<widths.count - 1).map { try block($0, dropout) },
      loss: loss.function(lossParameters), optimizer: optimizer, schedule: schedule,
      clipNorm: clipNorm, seed: seed)
  }

  /// Layer `index` of the network: a fully connected layer with what belongs to it.
  private func block(_ index: Int, _ dropout: DropoutProbabilities) throws -> Layer {
    let (inputs, outputs) = (widths[index], widths[index + 1])
    let isHidden = index < widths.count - 2
    var members: [(name: String, layer: Layer)] = []
    if index == 0 && dropout.inputs > 0 {
      let layer = Dropout(features: inputs, probability: dropout.inputs)
      members.append((name: "input_dropout", layer: layer))
    }
    if norm == .layer {
      members.append((name: "norm", layer: LayerNorm(features: inputs, epsilon: epsilon)))
    }
    let linear = FullyConnectedLayer(
      inputs: inputs, outputs: outputs, activation: isHidden ? activation.function : Identity(),
      normalization: norm == .layer ? nil : batchNormalization)
    members.append((name: "", layer: linear))
    if isHidden, dropout.ofHidden(index) > 0 {
      let layer = Dropout(features: outputs, probability: dropout.ofHidden(index))
      members.append((name: "dropout", layer: layer))
    }
    let layer = members.count == 1 ? linear : try Sequential(members)
    let isSkipped = residual == true && isHidden && index > 0 && inputs == outputs
    return isSkipped ? try Residual(layer) : layer
  }

  private var batchNormalization: BatchNormalization? {
    guard batchNorm != .off else { return nil }
    return BatchNormalization(
      scope: batchNorm == .local ? .replica : .batch,
      backward: batchNormBackward == .exact ? .exact : .frozenStatistics,
      momentum: batchNormMomentum, averagesFirstBatches: batchNormAveraging, epsilon: epsilon)
  }
}

/// The probabilities of dropout in a network, each at least 0 and below 1.
public struct DropoutProbabilities: Equatable, Sendable {
  /// For the network's inputs.
  public var inputs: Double
  /// For the outputs of hidden layers: one for all, or one each; empty for none.
  public var hidden: [Double]

  /// No dropout, unless given.
  public init(inputs: Double = 0, hidden: [Double] = []) {
    self.inputs = inputs
    self.hidden = hidden
  }

  /// For the outputs of the hidden layer at `index`; 0 for none.
  func ofHidden(_ index: Int) -> Double {
    hidden.count == 1 ? hidden[0] : index < hidden.count ? hidden[index] : 0
  }
}
