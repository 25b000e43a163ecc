// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralCore
import Testing

@Suite("Metrics")
struct MetricsTests {
  struct File: Decodable {
    struct Classification: Decodable {
      struct OneClass: Decodable {
        let auc, averagePrecision: Double?
        let falsePositiveRates, truePositiveRates: [Double]?
      }
      let name: String
      let targets: [Int32]
      let probabilities: [[Double]]
      let accuracy, balancedAccuracy, precision, recall, f1, logLoss, brier: Double
      let calibrationError: Double
      let auc, averagePrecision: Double?
      let topK: [String: Double]
      let classPrecision, classRecall, classF1: [Double]
      let support: [Int]
      let confusionMatrix: [[Int]]
      let classes: [OneClass]
    }
    struct Regression: Decodable {
      let name: String
      let targets, predictions: [[Double]]
      let each: [String: [Double?]]
      let average: [String: Double?]
    }
    struct Multilabel: Decodable {
      let name: String
      let targets: [[Int]]
      let probabilities: [[Double]]
      let support: [Int]
      let mean: [String: Double?]
    }
    let classification: [Classification]
    let multilabel: [Multilabel]
    let regression: [Regression]
  }

  let file: File

  init() throws {
    file = try JSONDecoder().decode(File.self, from: Data(contentsOf: resource("metrics.json")))
  }

  /// Whether both are undefined, or equal to 1e-12: relatively above 1, absolutely below.
  private func agree(_ found: Double?, _ expected: Double?) -> Bool {
    guard let found, let expected else { return found == nil && expected == nil }
    return abs(found - expected) <= 1e-12 * max(abs(expected), 1)
  }

  @Test("Classification metrics are those of scikit-learn, on random and on adversarial rows")
  func classification() throws {
    #expect(file.classification.count > 20)
    for one in file.classification {
      let count = one.probabilities[0].count
      let rows = ClassifiedRows(
        classes: count, targets: one.targets, scores: one.probabilities.flatMap { $0 })
      let found = ClassificationMetrics(rows, labels: (0..<count).map { "\($0)" })
      let pairs: [(MetricName, Double?, Double?)] = [
        (.accuracy, found.accuracy, one.accuracy),
        (.balancedAccuracy, found.balancedAccuracy, one.balancedAccuracy),
        (.precision, found.precision, one.precision), (.recall, found.recall, one.recall),
        (.f1, found.f1, one.f1), (.logLoss, found.logLoss, one.logLoss),
        (.auc, found.auc, one.auc),
        (.averagePrecision, found.averagePrecision, one.averagePrecision),
        (.brier, found.brier, one.brier),
        (.calibrationError, found.calibrationError, one.calibrationError),
      ]
      for (metric, value, expected) in pairs {
        #expect(
          agree(value, expected),
          "\(one.name): \(metric) is \(value as Any), not \(expected as Any)")
        #expect(rows.value(of: metric) == value, "\(one.name): \(metric) alone")
      }
      #expect(Set(pairs.map(\.0)) == Set(MetricName.allCases.filter(\.needsClasses)))
      #expect(found.topK?.count ?? 0 == one.topK.count)
      for top in found.topK ?? [] {
        #expect(agree(top.accuracy, one.topK["\(top.k)"]), "\(one.name): top \(top.k)")
      }
      #expect(found.confusionMatrix == one.confusionMatrix, "\(one.name)")
      for (index, (value, expected)) in zip(found.classes, one.classes).enumerated() {
        #expect(agree(value.precision, one.classPrecision[index]), "\(one.name)")
        #expect(agree(value.recall, one.classRecall[index]), "\(one.name)")
        #expect(agree(value.f1, one.classF1[index]), "\(one.name)")
        #expect(value.support == one.support[index], "\(one.name)")
        #expect(agree(value.auc, expected.auc), "\(one.name): AUC of class \(index)")
        #expect(agree(value.averagePrecision, expected.averagePrecision), "\(one.name)")
      }
    }
  }

  @Test("The ROC curve has the points of scikit-learn, and thinning keeps its ends and its order")
  func curves() throws {
    var curves = 0
    for one in file.classification {
      let rows = ClassifiedRows(
        classes: one.classes.count, targets: one.targets, scores: one.probabilities.flatMap { $0 })
      for (index, expected) in one.classes.enumerated() {
        let curve = rows.ranked(by: index)?.rocCurve
        #expect((curve == nil) == (expected.falsePositiveRates == nil), "\(one.name)")
        guard let curve, let x = expected.falsePositiveRates, let y = expected.truePositiveRates
        else { continue }
        curves += 1
        #expect(curve.falsePositiveRates.count == x.count, "\(one.name)")
        #expect(zip(curve.falsePositiveRates, x).allSatisfy { agree($0, $1) }, "\(one.name)")
        #expect(zip(curve.truePositiveRates, y).allSatisfy { agree($0, $1) }, "\(one.name)")
        for count in [2, 5, 40] {
          let thinned = curve.thinned(to: count)
          #expect(thinned.falsePositiveRates.count <= max(count, 2))
          #expect(thinned.truePositiveRates.first == 0 && thinned.falsePositiveRates.first == 0)
          #expect(thinned.truePositiveRates.last == 1 && thinned.falsePositiveRates.last == 1)
          #expect(thinned.falsePositiveRates == thinned.falsePositiveRates.sorted())
          #expect(thinned.truePositiveRates == thinned.truePositiveRates.sorted())
        }
      }
    }
    #expect(curves > 50)
  }

  @Test("Regression metrics are those of scikit-learn, of each target and on average")
  func regression() throws {
    #expect(file.regression.count > 10)
    for one in file.regression {
      let columns = one.targets[0].count
      let rows = PredictedNumbers(
        columns: columns, targets: one.targets.flatMap { $0 },
        predictions: one.predictions.flatMap { $0 })
      let found = RegressionMetrics(rows, names: (0..<columns).map { "\($0)" })
      let metrics: [(MetricName, KeyPath<RegressionMetrics.TargetMetrics, Double?>, Double?)] = [
        (.mse, \.mse, found.mse), (.rmse, \.rmse, found.rmse), (.mae, \.mae, found.mae),
        (.r2, \.r2, found.r2), (.mape, \.mape, found.mape),
      ]
      for (metric, path, average) in metrics {
        let name = metric.rawValue
        let expected = try #require(one.average[name])
        #expect(agree(average, expected), "\(one.name): \(name) is \(average as Any)")
        #expect(rows.value(of: metric) == average, "\(one.name): \(name) alone")
        for (target, expected) in zip(found.targets, try #require(one.each[name])) {
          #expect(agree(target[keyPath: path], expected), "\(one.name): \(name)")
        }
      }
      #expect(Set(metrics.map(\.0)) == Set(MetricName.allCases.filter(\.needsNumbers)))
    }
  }

  @Test("Metrics of several targets of 0 and 1 are scikit-learn's means over the targets")
  func multilabel() throws {
    #expect(file.multilabel.count > 4)
    for one in file.multilabel {
      let columns = one.support.count
      let rows = MultilabelRows(
        columns: columns, targets: one.targets.flatMap { $0.map { $0 == 1 } },
        probabilities: one.probabilities.flatMap { $0 })
      let found = MultilabelMetrics(rows, names: (0..<columns).map { "\($0)" })
      #expect(found.targets.map(\.support) == one.support)
      for metric in MetricName.allCases where metric.needsClasses {
        let expected = try #require(one.mean[metric.rawValue])
        let value = found.mean.value(of: metric)
        #expect(
          agree(value, expected),
          "\(one.name): \(metric) is \(value as Any), not \(expected as Any)")
        #expect(rows.value(of: metric) == value, "\(one.name): \(metric) alone")
      }
    }
  }

  @Test("Probabilities are the softmax of the outputs in Float64, finite for extreme outputs")
  func softmax() {
    let outputs = AlignedBuffer<Float>([1, 2, 3, 1e30, -1e30, 0, -3e38, 3e38, 3e38])
    let rows = withExtendedLifetime(outputs) {
      ClassifiedRows(outputs: outputs.matrix(rows: 3, columns: 3), targets: [2, 0, 2])
    }
    let total = exp(-2.0) + exp(-1.0) + 1
    #expect(rows.scores[..<3].elementsEqual([exp(-2.0) / total, exp(-1.0) / total, 1 / total]))
    #expect(rows.scores[3...].elementsEqual([1, 0, 0, 0, 0.5, 0.5]))
    #expect(rows.predictions == [2, 0, 1])
    #expect(rows.value(of: .logLoss)?.isFinite == true)
    #expect(rows.selecting([2, 0]).scores == Array(rows.scores[6...] + rows.scores[..<3]))
  }

  @Test("Where outputs are not finite or no probabilities, what needs them is undefined")
  func undefined() {
    let outputs = AlignedBuffer<Float>([1, .nan, 0, 3, .infinity, 0])
    let rows = withExtendedLifetime(outputs) {
      ClassifiedRows(outputs: outputs.matrix(rows: 3, columns: 2), targets: [0, 1, 1])
    }
    let needsScores: Set<MetricName> = [
      .auc, .averagePrecision, .logLoss, .brier, .calibrationError,
    ]
    for metric in MetricName.allCases where metric.needsClasses {
      #expect((rows.value(of: metric) == nil) == needsScores.contains(metric), "\(metric)")
    }
    let scores = ClassifiedRows(
      classes: 2, targets: [0, 1, 1], scores: [3, -1, 0, 5, 1, 0], areProbabilities: false)
    #expect(scores.value(of: .auc) == 1 && scores.value(of: .averagePrecision) == 1)
    for metric in [MetricName.logLoss, .brier, .calibrationError] {
      #expect(scores.value(of: metric) == nil, "\(metric)")
    }
    let numbers = PredictedNumbers(columns: 1, targets: [1, 2], predictions: [1, .nan])
    #expect(MetricName.allCases.allSatisfy { numbers.value(of: $0) == nil })
  }

  @Test("Confusions are listed by their number of rows")
  func confusions() {
    let matrix = ConfusionMatrix(
      classes: 3, targets: [0, 0, 0, 1, 1, 2, 2], predictions: [0, 1, 1, 2, 1, 0, 2])
    #expect(
      matrix.confusions.map { [$0.target, $0.prediction, $0.rows] } == [
        [0, 1, 2], [1, 2, 1], [2, 0, 1],
      ])
    #expect(matrix.counts == [[1, 2, 0], [0, 1, 1], [1, 0, 1]] && matrix.rows == 7)
  }

  @Test("Every metric is about classes or about numbers, except the loss")
  func names() {
    for metric in MetricName.allCases {
      #expect(metric.needsClasses != metric.needsNumbers || metric == .loss)
      #expect(metric.rawValue.allSatisfy { $0.isLowercase || $0.isNumber || $0 == "-" })
    }
    #expect(!MetricName.loss.needsClasses && !MetricName.loss.needsNumbers)
    #expect(MetricName.allCases.filter(\.isBetterHigher).count == 8)
  }
}
