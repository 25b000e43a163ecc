// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// Rows of known class with what a network says about each class: what classification metrics are
/// computed from.
///
/// Metrics are defined as in scikit-learn, and computed in Float64 from all rows together. Where
/// scikit-learn raises an error or returns NaN, a metric is nil: undefined.
///
/// ```swift
/// let rows = ClassifiedRows(
///   classes: 2, targets: [0, 1, 1], scores: [0.9, 0.1, 0.2, 0.8, 0.6, 0.4])
/// rows.value(of: .accuracy)  // 0.6666666666666666
/// rows.value(of: .auc)       // 1.0
/// ```
public struct ClassifiedRows: Sendable {
  /// The number of classes, at least 2.
  public let classes: Int
  /// The class of each row.
  public let targets: [Int32]
  /// The predicted class of each row.
  public let predictions: [Int32]
  /// The scores of the classes, `rows x classes`, in row-major order.
  public let scores: [Double]
  /// Whether the scores are probabilities, which sum to 1 in each row; otherwise the metrics of
  /// probabilities are undefined.
  public let areProbabilities: Bool
  /// Whether all scores are finite; otherwise only metrics of the predictions are defined.
  private let areFinite: Bool

  /// Rows from their parts.
  ///
  /// - Parameters:
  ///   - targets: the class of each row, from 0 to `classes - 1`.
  ///   - scores: `rows x classes`, in row-major order.
  ///   - predictions: the predicted classes; nil for the first of the highest scores.
  public init(
    classes: Int, targets: [Int32], scores: [Double], predictions: [Int32]? = nil,
    areProbabilities: Bool = true
  ) {
    precondition(classes >= 2 && scores.count == targets.count * classes, "a score for each class")
    self.classes = classes
    self.targets = targets
    self.scores = scores
    self.areProbabilities = areProbabilities
    self.predictions =
      predictions
      ?? targets.indices.map { row in
        let first = row * classes
        return Int32((1..<classes).reduce(0) { scores[first + $1] > scores[first + $0] ? $1 : $0 })
      }
    areFinite = scores.allSatisfy(\.isFinite)
  }

  /// Rows of logits, whose softmax in Float64 are the probabilities.
  ///
  /// - Parameters:
  ///   - outputs: `rows x classes`.
  ///   - isSoftmax: whether the softmax is taken; otherwise the outputs themselves are scores.
  public init(outputs: MatrixView, targets: [Int32], isSoftmax: Bool = true) {
    let classes = outputs.columns
    var scores: [Double] = []
    var predictions: [Int32] = []
    scores.reserveCapacity(outputs.rows * classes)
    predictions.reserveCapacity(outputs.rows)
    for row in 0..<outputs.rows {
      let z = outputs.row(row)
      let best = Targets.argmax(z, classes)
      predictions.append(Int32(best))
      guard isSoftmax else {
        for index in 0..<classes { scores.append(Double(z[index])) }
        continue
      }
      let maximum = Double(z[best])
      var total = 0.0
      for index in 0..<classes {
        let exponential = exp(Double(z[index]) - maximum)
        scores.append(exponential)
        total += exponential
      }
      for index in scores.count - classes..<scores.count { scores[index] /= total }
    }
    self.init(
      classes: classes, targets: targets, scores: scores, predictions: predictions,
      areProbabilities: isSoftmax)
  }

  /// The number of rows.
  public var rows: Int { targets.count }

  /// Some of the rows, in the given order.
  public func selecting(_ indices: [Int]) -> ClassifiedRows {
    ClassifiedRows(
      classes: classes, targets: indices.map { targets[$0] },
      scores: indices.flatMap { scores[$0 * classes..<($0 + 1) * classes] },
      predictions: indices.map { predictions[$0] }, areProbabilities: areProbabilities)
  }
}

// MARK: - Metrics

extension ClassifiedRows {
  /// A metric; nil where it is undefined, and for those that are not about classes.
  public func value(of metric: MetricName) -> Double? {
    guard rows > 0 else { return nil }
    switch metric {
    case .accuracy: return confusionMatrix.accuracy
    case .balancedAccuracy: return confusionMatrix.balancedAccuracy
    case .precision: return confusionMatrix.macroPrecision
    case .recall: return confusionMatrix.macroRecall
    case .f1: return confusionMatrix.macroF1
    case .logLoss: return logLoss
    case .auc: return auc
    case .averagePrecision: return averagePrecision
    case .brier: return brierScore
    case .calibrationError: return calibrationError
    case .loss, .mse, .rmse, .mae, .r2, .mape: return nil
    }
  }

  /// How often each class was predicted for the rows of each class.
  public var confusionMatrix: ConfusionMatrix {
    ConfusionMatrix(classes: classes, targets: targets, predictions: predictions)
  }

  private var hasProbabilities: Bool { rows > 0 && areProbabilities && areFinite }

  private func target(_ row: Int) -> Double { scores[row * classes + Int(targets[row])] }

  /// The mean of -log(p) over the rows, p the probability of the row's class, limited to between
  /// 2^-52 and 1 - 2^-52: `log_loss`.
  public var logLoss: Double? {
    guard hasProbabilities else { return nil }
    let limit = Double.ulpOfOne
    let sum = targets.indices.reduce(0) { $0 - log(min(max(target($1), limit), 1 - limit)) }
    return sum / Double(rows)
  }

  /// The mean over the rows of the sum over the classes of (p - y)², y being 1 for the row's class and
  /// 0 for others; with two classes half of that: `brier_score_loss` with `scale_by_half="auto"`.
  ///
  /// G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather
  /// Review 78, 1950.
  public var brierScore: Double? {
    guard hasProbabilities else { return nil }
    var sum = 0.0
    for row in targets.indices {
      for index in 0..<classes {
        let distance = scores[row * classes + index] - (index == Int(targets[row]) ? 1 : 0)
        sum += distance * distance
      }
    }
    return sum / Double(rows) * (classes == 2 ? 0.5 : 1)
  }

  /// The expected calibration error: the mean over the rows of |accuracy - confidence| of the bin that
  /// the row is in.
  ///
  /// A row's confidence is the probability of its predicted class. Bin m of 15, from 1, has the rows
  /// with a confidence above (m - 1) / 15 and up to m / 15.
  ///
  /// C. Guo et al., "On calibration of modern neural networks", ICML 2017.
  public var calibrationError: Double? {
    guard hasProbabilities else { return nil }
    let bins = 15
    var confidences = Array(repeating: 0.0, count: bins)
    var correct = Array(repeating: 0, count: bins)
    for row in targets.indices {
      let confidence = scores[row * classes + Int(predictions[row])]
      var bin = min(max(Int(confidence * Double(bins)), 0), bins - 1)
      if bin > 0, confidence <= Double(bin) / Double(bins) { bin -= 1 }
      if bin < bins - 1, confidence > Double(bin + 1) / Double(bins) { bin += 1 }
      confidences[bin] += confidence
      if predictions[row] == targets[row] { correct[bin] += 1 }
    }
    return zip(correct, confidences).reduce(0) { $0 + abs(Double($1.0) - $1.1) } / Double(rows)
  }

  /// The share of rows whose class is among the k with the highest scores: `top_k_accuracy_score`.
  ///
  /// Of equal scores the last one counts as the highest, as in scikit-learn.
  public func topKAccuracy(_ k: Int) -> Double? {
    guard rows > 0, areFinite else { return nil }
    let hits = targets.indices.count { row in
      let score = target(row)
      let above = (0..<classes).count { index in
        let other = scores[row * classes + index]
        return other > score || other == score && index > Int(targets[row])
      }
      return above < k
    }
    return Double(hits) / Double(rows)
  }

  /// The rows ordered by the score of a class, which counts as positive; nil if scores are not finite.
  public func ranked(by index: Int) -> RankedScores? {
    guard areFinite else { return nil }
    var (positives, negatives): ([Double], [Double]) = ([], [])
    for row in targets.indices {
      let score = scores[row * classes + index]
      if Int(targets[row]) == index { positives.append(score) } else { negatives.append(score) }
    }
    return RankedScores(positives: positives, negatives: negatives)
  }

  /// The area under the ROC curve of the second of two classes, or of more classes the mean of each
  /// one's against the rest: `roc_auc_score` with `multi_class="ovr"`.
  ///
  /// nil if a class has no rows.
  public var auc: Double? {
    guard classes > 2 else { return ranked(by: 1)?.auc }
    return Self.mean((0..<classes).lazy.map { ranked(by: $0)?.auc })
  }

  /// The mean over the classes of their average precision: `average_precision_score` of the targets
  /// as one-hot rows.
  ///
  /// nil if a class has no rows.
  public var averagePrecision: Double? {
    Self.mean((0..<classes).lazy.map { ranked(by: $0)?.averagePrecision })
  }

  /// The mean, nil if one of the values is.
  static func mean(_ values: some Sequence<Double?>) -> Double? {
    var (sum, count) = (0.0, 0)
    for value in values {
      guard let value else { return nil }
      sum += value
      count += 1
    }
    return count == 0 ? nil : sum / Double(count)
  }
}
