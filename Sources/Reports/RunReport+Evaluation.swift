// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore
internal import RunRecords

// What the runs' last evaluations of their held-out rows show.
extension RunReport {
  /// The largest number of runs whose evaluations are shown.
  private static let mostRuns = 4
  /// The largest number of ROC curves in a chart.
  private static let mostCurves = 8

  /// Confusion matrices and ROC curves; nil if no run has an evaluation of classes.
  var evaluations: ReportSection? {
    let shown = identicalRuns.compactMap { same in
      same[0].evaluation.map { (name: name(of: same), evaluation: $0) }
    }
    let blocks = shown.prefix(Self.mostRuns).flatMap { name, evaluation in
      Self.blocks(evaluation, runs.count > 1 ? "\(name): " : "")
    }
    return blocks.isEmpty ? nil : ReportSection("Held-out rows", blocks)
  }

  private static func blocks(_ evaluation: EvaluationRecord, _ name: String) -> [ReportBlock] {
    var figures: [ReportFigure] = []
    if let classes = evaluation.classification, let counts = classes.confusionMatrix,
      classes.classes.count <= HeatMap.mostClasses
    {
      figures.append(
        .matrix(
          HeatMap("\(name)Confusion matrix", labels: classes.classes.map(\.label), counts: counts)))
    }
    if !evaluation.curves.isEmpty { figures.append(.lines(rocChart(evaluation, name))) }
    guard !figures.isEmpty else { return [] }
    return [.figures(figures)]
      + (evaluation.classification.map { [.details("\(name)Classes", classTable($0))] } ?? [])
  }

  /// The ROC curves, of many those with the smallest areas.
  private static func rocChart(_ evaluation: EvaluationRecord, _ name: String) -> LineChart {
    let curves = evaluation.curves.map { ($0, area: area(of: $0, in: evaluation) ?? 1) }
    let order = curves.indices.sorted { (curves[$0].area, $0) < (curves[$1].area, $1) }
    let shown =
      curves.count <= mostCurves
      ? Array(curves.indices) : order.prefix(mostCurves).sorted()
    let rest =
      shown.count < curves.count ? ", \(shown.count) classes with the smallest areas" : ""
    var chart = LineChart(
      "\(name)ROC curve\(curves.count == 1 ? "" : "s"): true positive rate\(rest)",
      xLabel: "false positive rate",
      curves: shown.map { index in
        let (curve, area) = curves[index]
        return LineChart.Curve(
          "\(curve.label) (AUC \(Readable.loss(area)))",
          zip(curve.points.falsePositiveRates, curve.points.truePositiveRates).map {
            LineChart.Point(x: $0, y: $1)
          })
      } + [
        LineChart.Curve("chance", [.init(x: 0, y: 0), .init(x: 1, y: 1)], isReference: true)
      ])
    chart.xTicks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    chart.startsAtZero = true
    chart.marksPoints = false
    return chart
  }

  /// The area under the whole curve, of which the record has some points.
  private static func area(
    of curve: EvaluationRecord.Curve, in evaluation: EvaluationRecord
  ) -> Double? {
    evaluation.classification?.classes.first { $0.label == curve.label }?.auc
      ?? evaluation.multilabel?.targets.first { $0.name == curve.label }?.auc
  }

  private static func classTable(_ metrics: ClassificationMetrics) -> ReportTable {
    func number(_ value: Double?) -> ReportTable.Cell {
      ReportTable.Cell(value.map(Readable.loss) ?? "–")
    }
    return ReportTable(
      "classes",
      columns: ["Class", "Precision", "Recall", "F1", "AUC", "Average precision", "Rows"],
      rows: metrics.classes.map {
        [
          ReportTable.Cell($0.label), number($0.precision), number($0.recall), number($0.f1),
          number($0.auc), number($0.averagePrecision), "\(Readable.count($0.support))",
        ]
      })
  }
}
