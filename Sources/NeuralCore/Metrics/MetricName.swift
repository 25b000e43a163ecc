// SPDX-License-Identifier: Apache-2.0

/// A measure of how well a network predicts rows it has not learned from, by the name that options
/// and files have for it.
///
/// `precision`, `recall`, `f1`, `auc` and `averagePrecision` are macro averages: the unweighted mean
/// over the classes. The definitions are scikit-learn's.
public enum MetricName: String, CaseIterable, Codable, Sendable {
  /// The value of the loss function that training minimizes, for classes and numbers alike.
  case loss
  case accuracy
  case balancedAccuracy = "balanced-accuracy"
  case precision
  case recall
  case f1
  case logLoss = "log-loss"
  case auc
  case averagePrecision = "average-precision"
  case brier
  case calibrationError = "calibration-error"
  case mse
  case rmse
  case mae
  case r2
  case mape

  /// Whether a larger value is a better one: true of accuracies, precision, recall, F1, the two
  /// areas and R², false of losses and errors.
  public var isBetterHigher: Bool {
    switch self {
    case .accuracy, .balancedAccuracy, .precision, .recall, .f1, .auc, .averagePrecision, .r2:
      true
    case .loss, .logLoss, .brier, .calibrationError, .mse, .rmse, .mae, .mape: false
    }
  }

  /// Whether it is about regression: the distance of predicted numbers from the targets.
  public var needsNumbers: Bool {
    switch self {
    case .mse, .rmse, .mae, .r2, .mape: true
    default: false
    }
  }

  /// Whether it is about classification.
  public var needsClasses: Bool { self != .loss && !needsNumbers }
}

/// A metric and its value.
public struct MetricValue: Codable, Equatable, Sendable {
  /// The metric.
  public var metric: MetricName
  /// Its value; nil where it is undefined.
  public var value: Double?

  /// A metric with its value; nil also for a value that is not finite.
  public init(_ metric: MetricName, _ value: Double?) {
    self.metric = metric
    self.value = value.flatMap { $0.isFinite ? $0 : nil }
  }
}
