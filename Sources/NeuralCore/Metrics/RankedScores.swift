// SPDX-License-Identifier: Apache-2.0

/// Rows of two kinds, positive and negative, ordered by a score that should be higher for positive
/// ones: what metrics over all thresholds are computed from.
///
/// Counts are exact integers, so a metric is a few roundings away from its true value, and rows with
/// equal scores count the same in any order.
///
/// ```swift
/// let ranked = RankedScores(scores: [0.1, 0.4, 0.35, 0.8], isPositive: [false, false, true, true])
/// ranked.auc  // 0.75
/// ```
public struct RankedScores: Sendable {
  /// The scores of the positive rows, the highest first.
  private let positives: [Double]
  /// The scores of the negative rows, the highest first.
  private let negatives: [Double]

  /// Orders rows by their scores, which must not be NaN.
  public init(scores: [Double], isPositive: [Bool]) {
    precondition(scores.count == isPositive.count, "each score is of a positive or a negative row")
    self.init(
      positives: zip(scores, isPositive).filter(\.1).map(\.0),
      negatives: zip(scores, isPositive).filter { !$0.1 }.map(\.0))
  }

  /// Orders positive and negative rows by their scores, which must not be NaN.
  public init(positives: [Double], negatives: [Double]) {
    self.positives = positives.sorted(by: >)
    self.negatives = negatives.sorted(by: >)
  }

  /// The number of positive rows.
  public var positiveCount: Int { positives.count }
  /// The number of negative rows.
  public var negativeCount: Int { negatives.count }

  /// Calls `body` for each distinct score, the highest first, with the number of positive and of
  /// negative rows whose score is not lower.
  private func forEachThreshold(
    _ body: (_ score: Double, _ truePositives: Int, _ falsePositives: Int) -> Void
  ) {
    var (p, n) = (0, 0)
    while p < positives.count || n < negatives.count {
      let score =
        p == positives.count
        ? negatives[n] : n == negatives.count ? positives[p] : max(positives[p], negatives[n])
      while p < positives.count, positives[p] == score { p += 1 }
      while n < negatives.count, negatives[n] == score { n += 1 }
      body(score, p, n)
    }
  }

  /// The area under the ROC curve: the probability that a positive row has a higher score than a
  /// negative one, where equal scores count as half (`roc_auc_score`).
  ///
  /// nil without positive or without negative rows, where scikit-learn returns NaN.
  public var auc: Double? {
    guard !positives.isEmpty, !negatives.isEmpty else { return nil }
    // Twice the area in units of one pair: trapezoids with whole sides.
    var (doubled, p, n) = (0, 0, 0)
    forEachThreshold { _, truePositives, falsePositives in
      doubled += (falsePositives - n) * (p + truePositives)
      (p, n) = (truePositives, falsePositives)
    }
    return Double(doubled) / (2 * Double(positives.count) * Double(negatives.count))
  }

  /// The average precision, the sum over thresholds of (R_n - R_(n-1)) P_n with recalls R and
  /// precisions P (`average_precision_score`).
  ///
  /// nil without positive rows; scikit-learn warns and returns 0.
  public var averagePrecision: Double? {
    guard !positives.isEmpty else { return nil }
    var (sum, p) = (0.0, 0)
    forEachThreshold { _, truePositives, falsePositives in
      let precision = Double(truePositives) / Double(truePositives + falsePositives)
      sum += Double(truePositives - p) * precision
      p = truePositives
    }
    return sum / Double(positives.count)
  }

  /// The ROC curve, with the points that scikit-learn's `roc_curve` returns: without thresholds that
  /// lie between others on a line.
  ///
  /// nil without positive or without negative rows.
  public var rocCurve: ROCCurve? {
    guard !positives.isEmpty, !negatives.isEmpty else { return nil }
    var points: [(p: Int, n: Int)] = []
    forEachThreshold { _, truePositives, falsePositives in
      points.append((truePositives, falsePositives))
    }
    let corners = points.indices.filter { index in
      guard index > 0, index < points.count - 1 else { return true }
      let (before, here, after) = (points[index - 1], points[index], points[index + 1])
      return after.p - here.p != here.p - before.p || after.n - here.n != here.n - before.n
    }
    return ROCCurve(
      falsePositiveRates: [0] + corners.map { Double(points[$0].n) / Double(negatives.count) },
      truePositiveRates: [0] + corners.map { Double(points[$0].p) / Double(positives.count) })
  }
}

/// The points of a receiver operating characteristic: the rates at each threshold, from (0, 0) to
/// (1, 1).
///
/// T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006.
public struct ROCCurve: Codable, Equatable, Sendable {
  /// The shares of negative rows at or above each threshold.
  public let falsePositiveRates: [Double]
  /// The shares of positive rows at or above each threshold.
  public let truePositiveRates: [Double]

  /// A curve from its coordinates, equally many of both.
  public init(falsePositiveRates: [Double], truePositiveRates: [Double]) {
    precondition(falsePositiveRates.count == truePositiveRates.count, "a point has two coordinates")
    self.falsePositiveRates = falsePositiveRates
    self.truePositiveRates = truePositiveRates
  }

  enum CodingKeys: String, CodingKey {
    case falsePositiveRates = "false_positive_rate"
    case truePositiveRates = "true_positive_rate"
  }

  /// At most `count` of the points, 2 or more, spread evenly along the curve, with the first and the
  /// last one.
  public func thinned(to count: Int) -> ROCCurve {
    let points = falsePositiveRates.count
    guard points > max(count, 2) else { return self }
    var kept: [Int] = []
    for index in 0..<points {
      // Both rates only rise, so their sum is the length along the axes, from 0 to 2.
      let length = (falsePositiveRates[index] + truePositiveRates[index]) / 2
      if index == points - 1 || length * Double(count - 1) >= Double(kept.count) {
        if kept.count == count { kept.removeLast() }
        kept.append(index)
      }
    }
    return ROCCurve(
      falsePositiveRates: kept.map { falsePositiveRates[$0] },
      truePositiveRates: kept.map { truePositiveRates[$0] })
  }
}
