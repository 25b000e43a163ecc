// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// Rows with several independent targets of 0 and 1, and the probability of 1 for each: what
/// multilabel classification metrics are computed from.
///
/// Each target is a classification of its own; a metric is the mean of its values for the targets, as
/// in scikit-learn's `average="macro"` for multilabel targets. A target between 0 and 1 counts as 1 from
/// 1/2 upward.
public struct MultilabelRows: Sendable {
  /// The number of targets of a row.
  public let columns: Int
  /// The rows as seen by each target: two classes, of which 1 is the second.
  public let targets: [ClassifiedRows]

  /// Rows from their parts.
  ///
  /// - Parameters:
  ///   - targets: `rows x columns`, in row-major order.
  ///   - probabilities: the probabilities of 1, in the same shape.
  ///   - predictions: what is predicted, in the same shape; nil for 1 from a probability of 1/2 upward.
  public init(columns: Int, targets: [Bool], probabilities: [Double], predictions: [Bool]? = nil) {
    precondition(
      columns > 0 && targets.count == probabilities.count && targets.count % columns == 0,
      "a probability for each target")
    self.columns = columns
    self.targets = (0..<columns).map { column in
      let places = stride(from: column, to: targets.count, by: columns)
      return ClassifiedRows(
        classes: 2, targets: places.map { targets[$0] ? 1 : 0 },
        scores: places.flatMap { [1 - probabilities[$0], probabilities[$0]] },
        predictions: places.map { predictions?[$0] ?? (probabilities[$0] >= 0.5) ? 1 : 0 })
    }
  }

  /// Rows of logits, whose sigmoid in Float64 are the probabilities.
  ///
  /// - Parameters:
  ///   - outputs: `rows x columns`.
  ///   - targets: in the same shape, in row-major order.
  public init(outputs: MatrixView, targets: [Bool]) {
    var probabilities: [Double] = []
    probabilities.reserveCapacity(targets.count)
    for row in 0..<outputs.rows {
      let z = outputs.row(row)
      for column in 0..<outputs.columns { probabilities.append(1 / (1 + exp(-Double(z[column])))) }
    }
    self.init(columns: outputs.columns, targets: targets, probabilities: probabilities)
  }

  private init(targets: [ClassifiedRows]) {
    columns = targets.count
    self.targets = targets
  }

  /// The number of rows.
  public var rows: Int { targets[0].rows }

  /// Some of the rows, in the given order.
  public func selecting(_ indices: [Int]) -> MultilabelRows {
    MultilabelRows(targets: targets.map { $0.selecting(indices) })
  }

  /// A metric; nil where it is undefined, and for those that are not about classes.
  ///
  /// Precision, recall, F1 and average precision are those of 1.
  public func value(of metric: MetricName) -> Double? {
    ClassifiedRows.mean(targets.lazy.map { $0.valueOfSecond(metric) })
  }
}

extension ClassifiedRows {
  /// A metric of two classes, of which the second is the positive one.
  fileprivate func valueOfSecond(_ metric: MetricName) -> Double? {
    guard rows > 0 else { return nil }
    switch metric {
    case .precision: return confusionMatrix.precision(of: 1)
    case .recall: return confusionMatrix.recall(of: 1)
    case .f1: return confusionMatrix.f1(of: 1)
    case .averagePrecision: return ranked(by: 1)?.averagePrecision
    default: return value(of: metric)
    }
  }
}

/// All metrics of rows with independent targets of 0 and 1; those that are undefined are nil.
///
/// The definitions are those of ``MultilabelRows``.
public struct MultilabelMetrics: Codable, Equatable, Sendable {
  /// The means over the targets.
  public var mean: TargetMetrics
  /// The metrics of each target.
  public var targets: [TargetMetrics]

  /// The metrics of one target.
  public struct TargetMetrics: Codable, Equatable, Sendable {
    /// The target; nil for the mean of all.
    public var name: String?
    /// The number of rows in which it is 1.
    public var support: Int
    /// The share of rows for which the right side of 1/2 was predicted.
    public var accuracy: Double?
    /// The mean recall of 0 and 1.
    public var balancedAccuracy: Double?
    /// Of the rows for which 1 was predicted, the share in which it is.
    public var precision: Double?
    /// Of the rows in which it is 1, the share for which that was predicted.
    public var recall: Double?
    /// The harmonic mean of precision and recall.
    public var f1: Double?
    /// The log loss.
    public var logLoss: Double?
    /// The area under the ROC curve.
    public var auc: Double?
    /// The average precision.
    public var averagePrecision: Double?
    /// The Brier score.
    public var brier: Double?
    /// The expected calibration error.
    public var calibrationError: Double?

    enum CodingKeys: String, CodingKey {
      case name, support, accuracy, precision, recall, f1, auc, brier
      case balancedAccuracy = "balanced_accuracy"
      case logLoss = "log_loss"
      case averagePrecision = "average_precision"
      case calibrationError = "calibration_error"
    }

    fileprivate init(_ name: String?, support: Int, _ value: (MetricName) -> Double?) {
      self.name = name
      self.support = support
      accuracy = value(.accuracy)
      balancedAccuracy = value(.balancedAccuracy)
      precision = value(.precision)
      recall = value(.recall)
      f1 = value(.f1)
      logLoss = value(.logLoss)
      auc = value(.auc)
      averagePrecision = value(.averagePrecision)
      brier = value(.brier)
      calibrationError = value(.calibrationError)
    }

    /// The value of a metric that is about classes.
    public func value(of metric: MetricName) -> Double? {
      switch metric {
      case .accuracy: accuracy
      case .balancedAccuracy: balancedAccuracy
      case .precision: precision
      case .recall: recall
      case .f1: f1
      case .logLoss: logLoss
      case .auc: auc
      case .averagePrecision: averagePrecision
      case .brier: brier
      case .calibrationError: calibrationError
      case .loss, .mse, .rmse, .mae, .r2, .mape: nil
      }
    }
  }

  /// Metrics from their parts.
  public init(mean: TargetMetrics, targets: [TargetMetrics]) {
    self.mean = mean
    self.targets = targets
  }

  /// The metrics of rows, at least one.
  ///
  /// - Parameter names: the name of each target.
  public init(_ rows: MultilabelRows, names: [String]) {
    precondition(names.count == rows.columns && rows.rows > 0, "rows of targets with names")
    let targets = zip(names, rows.targets).map { name, target in
      TargetMetrics(
        name, support: target.targets.count { $0 == 1 }, target.valueOfSecond)
    }
    self.targets = targets
    mean = TargetMetrics(
      nil, support: targets.reduce(0) { $0 + $1.support }
    ) { metric in
      ClassifiedRows.mean(targets.map { $0.value(of: metric) })
    }
  }
}
