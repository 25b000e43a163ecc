// SPDX-License-Identifier: Apache-2.0

/// How often each class was predicted for the rows of each class, and the metrics that follow from
/// these counts.
///
/// ```swift
/// let matrix = ConfusionMatrix(classes: 2, targets: [0, 1, 1], predictions: [0, 1, 0])
/// matrix[1, 0]      // 1: one row of class 1 was taken for class 0
/// matrix.recall(of: 1)  // 0.5
/// ```
public struct ConfusionMatrix: Equatable, Sendable {
  /// The number of classes.
  public let classes: Int
  /// The number of rows of each class.
  public private(set) var support: [Int]
  /// The number of rows for which each class was predicted.
  public private(set) var predicted: [Int]
  /// The number of rows of each class for which it was predicted.
  public private(set) var correct: [Int]
  /// The other counts that are not 0, by `target * classes + prediction`: with many classes, most
  /// are.
  private var wrong: [Int: Int] = [:]

  /// Counts rows.
  ///
  /// - Parameters:
  ///   - targets: the class of each row, from 0 to `classes - 1`.
  ///   - predictions: the predicted class of each row.
  public init(classes: Int, targets: [Int32], predictions: [Int32]) {
    precondition(targets.count == predictions.count, "each row has a target and a prediction")
    self.classes = classes
    support = Array(repeating: 0, count: classes)
    predicted = support
    correct = support
    for (target, prediction) in zip(targets, predictions) {
      let (target, prediction) = (Int(target), Int(prediction))
      support[target] += 1
      predicted[prediction] += 1
      if target == prediction {
        correct[target] += 1
      } else {
        wrong[target * classes + prediction, default: 0] += 1
      }
    }
  }

  /// The number of rows of class `target` for which class `prediction` was predicted.
  public subscript(target: Int, prediction: Int) -> Int {
    target == prediction ? correct[target] : wrong[target * classes + prediction] ?? 0
  }

  /// All counts, a row per class: those of scikit-learn's `confusion_matrix`.
  public var counts: [[Int]] {
    (0..<classes).map { target in (0..<classes).map { self[target, $0] } }
  }

  /// The number of rows.
  public var rows: Int { support.reduce(0, +) }

  /// Rows of one class that were taken for another.
  public struct Confusion: Equatable, Sendable {
    /// The class of the rows.
    public let target: Int
    /// The class that was predicted.
    public let prediction: Int
    /// The number of rows.
    public let rows: Int
  }

  /// The wrong predictions, the most frequent first; equally frequent ones by class.
  public var confusions: [Confusion] {
    wrong.map { Confusion(target: $0 / classes, prediction: $0 % classes, rows: $1) }.sorted {
      ($1.rows, $0.target, $0.prediction) < ($0.rows, $1.target, $1.prediction)
    }
  }
}

// MARK: - Metrics

extension ConfusionMatrix {
  /// The share of rows whose class was predicted: `accuracy_score`.
  public var accuracy: Double { Self.ratio(correct.reduce(0, +), rows) }

  /// The mean recall of the classes that have rows: `balanced_accuracy_score`.
  public var balancedAccuracy: Double {
    Self.mean((0..<classes).filter { support[$0] > 0 }.map(recall(of:)))
  }

  /// Of the rows for which a class was predicted, the share that is of the class; 0 without such rows.
  public func precision(of index: Int) -> Double { Self.ratio(correct[index], predicted[index]) }

  /// Of the rows of a class, the share for which it was predicted; 0 without such rows.
  public func recall(of index: Int) -> Double { Self.ratio(correct[index], support[index]) }

  /// The harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN); 0 if all of these are 0.
  public func f1(of index: Int) -> Double {
    Self.ratio(2 * correct[index], support[index] + predicted[index])
  }

  /// The mean precision of ``occurringClasses``: `precision_score(average="macro", zero_division=0)`.
  public var macroPrecision: Double { Self.mean(occurringClasses.map(precision(of:))) }

  /// The mean recall of ``occurringClasses``: `recall_score(average="macro", zero_division=0)`.
  public var macroRecall: Double { Self.mean(occurringClasses.map(recall(of:))) }

  /// The mean F1 of ``occurringClasses``: `f1_score(average="macro", zero_division=0)`.
  public var macroF1: Double { Self.mean(occurringClasses.map(f1(of:))) }

  /// The classes that some row has or was predicted for: those over which scikit-learn averages.
  public var occurringClasses: [Int] {
    (0..<classes).filter { support[$0] > 0 || predicted[$0] > 0 }
  }

  private static func ratio(_ part: Int, _ whole: Int) -> Double {
    whole == 0 ? 0 : Double(part) / Double(whole)
  }

  private static func mean(_ values: [Double]) -> Double {
    values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
  }
}
