// SPDX-License-Identifier: Apache-2.0

/// All metrics of rows of known class; those that are undefined are nil.
///
/// The definitions are those of ``ClassifiedRows``.
public struct ClassificationMetrics: Codable, Equatable, Sendable {
  /// The share of rows whose class was predicted.
  public var accuracy: Double
  /// The mean recall of the classes that have rows.
  public var balancedAccuracy: Double
  /// The share of rows whose class is among the k with the highest scores, for k = 2, 3 and 5 below
  /// the number of classes.
  ///
  /// nil with two classes.
  public var topK: [TopK]?
  /// The mean precision of the classes that occur.
  public var precision: Double
  /// The mean recall of the classes that occur.
  public var recall: Double
  /// The mean F1 of the classes that occur.
  public var f1: Double
  /// The mean of minus the logarithm of the probability of each row's class.
  public var logLoss: Double?
  /// The area under the ROC curve, of more than two classes the mean of each against the rest.
  public var auc: Double?
  /// The mean of the classes' average precision.
  public var averagePrecision: Double?
  /// The Brier score.
  public var brier: Double?
  /// The expected calibration error.
  public var calibrationError: Double?
  /// The metrics of each class.
  public var classes: [ClassMetrics]
  /// The number of rows of each class for which each class was predicted, a list per class; nil with
  /// more than ``largestMatrix`` classes.
  public var confusionMatrix: [[Int]]?
  /// The most frequent wrong predictions.
  public var confusions: [Confusion]

  /// The largest number of classes for which the whole confusion matrix is kept.
  public static let largestMatrix = 1000
  /// The largest number of wrong predictions that are kept one by one.
  public static let mostConfusions = 20

  /// The accuracy of the k classes with the highest scores.
  public struct TopK: Codable, Equatable, Sendable {
    /// The number of classes.
    public var k: Int
    /// The share of rows whose class is among them.
    public var accuracy: Double?
  }

  /// The metrics of one class against all others.
  public struct ClassMetrics: Codable, Equatable, Sendable {
    /// The class.
    public var label: String
    /// Of the rows for which the class was predicted, the share that is of the class.
    public var precision: Double
    /// Of the rows of the class, the share for which it was predicted.
    public var recall: Double
    /// The harmonic mean of precision and recall.
    public var f1: Double
    /// The number of rows of the class.
    public var support: Int
    /// The area under the ROC curve.
    public var auc: Double?
    /// The average precision.
    public var averagePrecision: Double?

    enum CodingKeys: String, CodingKey {
      case label, precision, recall, f1, support, auc
      case averagePrecision = "average_precision"
    }
  }

  /// Rows of one class that were taken for another.
  public struct Confusion: Codable, Equatable, Sendable {
    /// The class of the rows.
    public var label: String
    /// The class that was predicted.
    public var predicted: String
    /// The number of rows.
    public var rows: Int
  }

  enum CodingKeys: String, CodingKey {
    case accuracy, precision, recall, f1, auc, brier, classes, confusions
    case balancedAccuracy = "balanced_accuracy"
    case topK = "top_k_accuracy"
    case logLoss = "log_loss"
    case averagePrecision = "average_precision"
    case calibrationError = "calibration_error"
    case confusionMatrix = "confusion_matrix"
  }

  /// The metrics of rows, at least one.
  ///
  /// - Parameter labels: the name of each class.
  public init(_ rows: ClassifiedRows, labels: [String]) {
    precondition(labels.count == rows.classes && rows.rows > 0, "rows of classes with names")
    let matrix = rows.confusionMatrix
    accuracy = matrix.accuracy
    balancedAccuracy = matrix.balancedAccuracy
    topK =
      rows.classes == 2
      ? nil
      : [2, 3, 5].filter { $0 < rows.classes }.map {
        TopK(k: $0, accuracy: rows.topKAccuracy($0))
      }
    precision = matrix.macroPrecision
    recall = matrix.macroRecall
    f1 = matrix.macroF1
    logLoss = rows.logLoss
    brier = rows.brierScore
    calibrationError = rows.calibrationError
    classes = labels.enumerated().map { index, label in
      let ranked = rows.ranked(by: index)
      return ClassMetrics(
        label: label, precision: matrix.precision(of: index), recall: matrix.recall(of: index),
        f1: matrix.f1(of: index), support: matrix.support[index], auc: ranked?.auc,
        averagePrecision: ranked?.averagePrecision)
    }
    auc = rows.classes == 2 ? classes[1].auc : ClassifiedRows.mean(classes.map(\.auc))
    averagePrecision = ClassifiedRows.mean(classes.map(\.averagePrecision))
    confusionMatrix = rows.classes <= Self.largestMatrix ? matrix.counts : nil
    confusions = matrix.confusions.prefix(Self.mostConfusions).map {
      Confusion(label: labels[$0.target], predicted: labels[$0.prediction], rows: $0.rows)
    }
  }
}
