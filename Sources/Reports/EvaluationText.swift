// SPDX-License-Identifier: Apache-2.0
package import NeuralCore
public import RunRecords

extension MetricName {
  /// What people call it.
  package var title: String {
    switch self {
    case .loss: "loss"
    case .accuracy: "accuracy"
    case .balancedAccuracy: "balanced accuracy"
    case .precision: "precision"
    case .recall: "recall"
    case .f1: "F1"
    case .logLoss: "log loss"
    case .auc: "AUC"
    case .averagePrecision: "average precision"
    case .brier: "Brier score"
    case .calibrationError: "calibration error"
    case .mse: "MSE"
    case .rmse: "RMSE"
    case .mae: "MAE"
    case .r2: "R2"
    case .mape: "MAPE"
    }
  }

  /// A value for people.
  package func text(of value: Double) -> String {
    switch self {
    case .accuracy, .balancedAccuracy: Readable.preciselyPercentage(value)
    case .mape where value < 100: Readable.preciselyPercentage(value)
    case .mse, .rmse, .mae, .r2, .mape: Readable.significant(value)
    default: Readable.loss(value)
    }
  }

  func text(of value: Double?) -> String { value.map { text(of: $0) } ?? "undefined" }
}

extension MetricValue {
  /// The name and the value, such as `AUC 0.9871`.
  package var shown: String { "\(metric.title) \(metric.text(of: value))" }
}

/// An evaluation as tables for a terminal with 80 columns.
extension EvaluationRecord {
  /// The metrics, those of each class or target, the confusion matrix, and those of each group; every
  /// line ends with a line feed.
  public var text: String {
    let parts =
      [overview] + (classification.map(EvaluationText.parts) ?? [])
      + (regression.map(EvaluationText.parts) ?? [])
      + (multilabel.map(EvaluationText.parts) ?? []) + [groupTable]
    return parts.filter { !$0.isEmpty }.joined(separator: "\n")
  }

  private var overview: String {
    var lines: [(name: String, value: String)] = [
      ("rows", "\(rows)"), ("loss", Readable.loss(loss)),
    ]
    func add(_ metric: MetricName, _ value: Double?) {
      lines.append((metric.title, metric.text(of: value)))
    }
    if let classification {
      add(.accuracy, classification.accuracy)
      add(.balancedAccuracy, classification.balancedAccuracy)
      for top in classification.topK ?? [] {
        lines.append(("top-\(top.k) accuracy", MetricName.accuracy.text(of: top.accuracy)))
      }
      add(.logLoss, classification.logLoss)
      add(.auc, classification.auc)
      add(.averagePrecision, classification.averagePrecision)
      add(.brier, classification.brier)
      add(.calibrationError, classification.calibrationError)
    }
    if let multilabel {
      for metric in MetricName.allCases where metric.needsClasses {
        add(metric, multilabel.mean.value(of: metric))
      }
    }
    if let regression {
      add(.mse, regression.mse)
      add(.rmse, regression.rmse)
      add(.mae, regression.mae)
      add(.r2, regression.r2)
      add(.mape, regression.mape)
    }
    return TextTable(lines, indent: 0).text
  }

  private var groupTable: String {
    guard let by, let first = groups.first else { return "" }
    return TextTable(
      [EvaluationText.cell(by), "rows"] + first.values.map(\.metric.title),
      groups.map { group in
        [EvaluationText.cell(group.name.isEmpty ? "(empty)" : group.name), "\(group.rows)"]
          + group.values.map { $0.metric.text(of: $0.value) }
      },
      alignments: [.left] + Array(repeating: .right, count: first.values.count + 1), indent: 0
    ).text
  }
}

private enum EvaluationText {
  /// The width of a terminal.
  private static let width = 80
  /// The largest number of classes that are all listed.
  private static let mostClasses = 20
  /// The largest number of classes whose confusion matrix is shown.
  private static let largestMatrix = 12
  /// The number of confusions that are listed where the matrix is not shown.
  private static let mostConfusions = 10
  /// The largest width of a name.
  private static let nameWidth = 24

  /// A name cut to a width.
  static func cell(_ name: String, width: Int = nameWidth) -> String {
    name.count <= width ? name : name.prefix(width - 1) + "…"
  }

  static func parts(_ metrics: ClassificationMetrics) -> [String] {
    [classTable(metrics), matrix(metrics) ?? confusions(metrics)]
  }

  static func parts(_ metrics: MultilabelMetrics) -> [String] {
    guard metrics.targets.count > 1 else { return [] }
    let shown: [MetricName] = [.accuracy, .precision, .recall, .f1, .auc, .logLoss]
    return [
      TextTable(
        ["target"] + shown.map(\.title) + ["rows of 1"],
        metrics.targets.map { target in
          [cell(target.name ?? "", width: 14)] + shown.map { $0.text(of: target.value(of: $0)) }
            + ["\(target.support)"]
        }, alignments: [.left] + Array(repeating: .right, count: shown.count + 1), indent: 0
      ).text
    ]
  }

  static func parts(_ metrics: RegressionMetrics) -> [String] {
    guard metrics.targets.count > 1 else { return [] }
    return [
      TextTable(
        ["target", "MSE", "RMSE", "MAE", "R2", "MAPE"],
        metrics.targets.map { target in
          [
            cell(target.name, width: 18), MetricName.mse.text(of: target.mse),
            MetricName.rmse.text(of: target.rmse), MetricName.mae.text(of: target.mae),
            MetricName.r2.text(of: target.r2), MetricName.mape.text(of: target.mape),
          ]
        }, alignments: [.left] + Array(repeating: .right, count: 5), indent: 0
      ).text
    ]
  }

  /// All classes, or of many those with the lowest F1.
  private static func classTable(_ metrics: ClassificationMetrics) -> String {
    let all = metrics.classes
    let isComplete = all.count <= mostClasses
    let shown =
      isComplete
      ? all
      : all.indices.sorted { (all[$0].f1, $0) < (all[$1].f1, $1) }.prefix(mostClasses).map {
        all[$0]
      }
    func number(_ value: Double?) -> String { value.map { Readable.loss($0) } ?? "-" }
    func row(
      _ name: String, _ scores: (precision: Double, recall: Double, f1: Double), _ auc: Double?,
      _ averagePrecision: Double?, _ rows: Int
    ) -> [String] {
      [
        name, number(scores.precision), number(scores.recall), number(scores.f1), number(auc),
        number(averagePrecision), "\(rows)",
      ]
    }
    let rows =
      shown.map {
        row(
          cell($0.label), ($0.precision, $0.recall, $0.f1), $0.auc, $0.averagePrecision, $0.support
        )
      } + [
        row(
          "mean", (metrics.precision, metrics.recall, metrics.f1), metrics.auc,
          metrics.averagePrecision, all.reduce(0) { $0 + $1.support })
      ]
    return TextTable(
      ["class", "precision", "recall", "F1", "AUC", "avg. prec.", "rows"], rows,
      alignments: [.left] + Array(repeating: .right, count: 6), indent: 0
    ).text
      + (isComplete
        ? ""
        : "The \(mostClasses) classes with the lowest F1; \(all.count - mostClasses) more are not shown "
          + "(--json has all).\n")
  }

  /// The confusion matrix; nil if it is too wide.
  private static func matrix(_ metrics: ClassificationMetrics) -> String? {
    guard let counts = metrics.confusionMatrix, counts.count <= largestMatrix else { return nil }
    let labels = metrics.classes.map { cell(Readable.oneLine($0.label)) }
    let digits = counts.joined().map { "\($0)".count }.max() ?? 1
    let room = (width - (labels.map(\.count).max() ?? 0)) / counts.count - 2
    guard room >= max(digits, min(labels.map(\.count).max() ?? 1, 6)) else { return nil }
    return "Confusion matrix (row: class, column: predicted class)\n"
      + TextTable(
        [""] + labels.map { cell($0, width: room) },
        zip(labels, counts).map { [$0] + $1.map { "\($0)" } },
        alignments: [.left] + Array(repeating: .right, count: labels.count), indent: 0
      ).text
  }

  /// The most frequent wrong predictions.
  private static func confusions(_ metrics: ClassificationMetrics) -> String {
    guard !metrics.confusions.isEmpty else { return "" }
    return "Most frequent confusions\n"
      + metrics.confusions.prefix(mostConfusions).map { confusion in
        "\(cell(Readable.oneLine(confusion.label))) taken for "
          + "\(cell(Readable.oneLine(confusion.predicted))): \(confusion.rows) "
          + "row\(confusion.rows == 1 ? "" : "s")\n"
      }.joined()
  }
}
