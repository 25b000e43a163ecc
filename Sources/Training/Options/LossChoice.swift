// SPDX-License-Identifier: Apache-2.0
public import Datasets
public import NeuralCore
internal import RunRecords

/// Loss functions, by their names on the command line.
public enum LossName: String, Codable, CaseIterable, Sendable {
  /// Softmax cross-entropy, for classes.
  case crossEntropy = "cross-entropy"
  /// Mean squared error, for numeric targets, or for classes as one-hot rows.
  case meanSquaredError = "mse"
  /// Mean absolute error, for numeric targets.
  case meanAbsoluteError = "mae"
  /// Huber loss, for numeric targets.
  case huber
  /// Poisson loss, for counts.
  case poisson
  /// Quantile (pinball) loss, for numeric targets.
  case quantile
  /// Binary cross-entropy, for independent targets of 0 and 1.
  case binaryCrossEntropy = "binary-cross-entropy"

  /// The loss function of that name.
  public func function(_ parameters: LossParameters?) -> any LossFunction {
    switch self {
    case .crossEntropy: CrossEntropy(labelSmoothing: parameters?.labelSmoothing ?? 0)
    case .meanSquaredError: MeanSquaredError()
    case .meanAbsoluteError: MeanAbsoluteError()
    case .huber: Huber(delta: parameters?.delta ?? LossParameters.defaultDelta)
    case .poisson: PoissonLoss()
    case .quantile: QuantileLoss(tau: parameters?.quantile ?? LossParameters.defaultQuantile)
    case .binaryCrossEntropy: BinaryCrossEntropy()
    }
  }

  /// Whether targets must be classes.
  var takesClasses: Bool { self == .crossEntropy }

  /// Whether targets are standardized unless an option says otherwise: those that may be any number.
  var standardizesTargets: Bool {
    switch self {
    case .meanSquaredError, .meanAbsoluteError, .huber, .quantile: true
    case .crossEntropy, .poisson, .binaryCrossEntropy: false
    }
  }
}

extension LossName: WordOption {}

/// The parameters of a loss function, as checkpoints store them; nil for those that the loss does not
/// have, and for defaults.
public struct LossParameters: Codable, Equatable, Sendable {
  /// The delta of the Huber loss.
  public var delta: Double?
  /// The quantile of the quantile loss.
  public var quantile: Double?
  /// The label smoothing of the cross-entropy.
  public var labelSmoothing: Double?

  static let defaultDelta = 1.0
  static let defaultQuantile = 0.5

  private enum CodingKeys: String, CodingKey {
    case delta, quantile
    case labelSmoothing = "label_smoothing"
  }

  /// Parameters from their values.
  public init(delta: Double? = nil, quantile: Double? = nil, labelSmoothing: Double? = nil) {
    self.delta = delta
    self.quantile = quantile
    self.labelSmoothing = labelSmoothing
  }

  /// Whether each is within the range of the option that sets it.
  var isValid: Bool {
    (delta.map { $0 > 0 && $0.isFinite } ?? true)
      && (quantile.map { $0 > 0 && $0 < 1 } ?? true)
      && (labelSmoothing.map { $0 >= 0 && $0 < 1 } ?? true)
  }
}

// MARK: - Targets

extension LossName {
  /// Checks that a dataset has targets that the loss is defined for.
  ///
  /// - Parameter data: what messages call the dataset.
  /// - Throws: ``TrainingError/unsuitableData(_:)`` that names the first target that is not suitable,
  ///   and what to do.
  public func check(_ dataset: Dataset, _ data: String) throws(TrainingError) {
    switch dataset.targets {
    case .classes(_, let labels):
      guard self != .crossEntropy, self != .meanSquaredError else { return }
      let shown = labels.prefix(3).joined(separator: ", ") + (labels.count > 3 ? ", …" : "")
      throw .unsuitableData(
        "\(data): the target is \(labels.count) classes (\(shown)), and --loss \(rawValue) takes "
          + (self == .binaryCrossEntropy
            ? "0 and 1: write them so (or True and False), or use --loss cross-entropy"
            : "numbers: use --loss cross-entropy, or name another column with --target"))
    case .values(let values, let names):
      guard self != .crossEntropy else {
        throw .unsuitableData(
          "\(data): the targets are numbers, and --loss cross-entropy takes classes; numeric targets "
            + "need --loss mse, mae, huber or quantile, counts --loss poisson, columns of 0 and 1 "
            + "--loss binary-cross-entropy")
      }
      try check(values, names, data)
    case .absent: break
    }
  }

  /// Checks each number.
  private func check(
    _ values: AlignedBuffer<Float>, _ names: [String], _ data: String
  ) throws(TrainingError) {
    guard let range = targetRange,
      let place = values.elements.firstIndex(where: { !range.contains($0) })
    else { return }
    let (value, row) = (values[place], place / names.count + 1)
    let shown = Int(exactly: value).map { "\($0)" } ?? "\(value)"
    let hint =
      self == .poisson
      ? "counts of 0 or more; for numbers of either sign use --loss mse, mae, huber or quantile"
      : "0 and 1 (or probabilities between); for several classes in one column use --loss "
        + "cross-entropy, for other numbers --loss mse"
    throw .unsuitableData(
      "\(data): row \(row): \(names[place % names.count]) is \(shown), and --loss \(rawValue) takes "
        + hint)
  }

  /// The numbers that targets may be; nil for all.
  private var targetRange: ClosedRange<Float>? {
    switch self {
    case .poisson: 0...Float.greatestFiniteMagnitude
    case .binaryCrossEntropy: 0...1
    case .crossEntropy, .meanSquaredError, .meanAbsoluteError, .huber, .quantile: nil
    }
  }
}
