// SPDX-License-Identifier: Apache-2.0
internal import RunRecords

/// How losses and speed went over the steps.
extension RunReport {
  var curves: ReportSection {
    var loss = LineChart("Training loss", xLabel: "step", curves: lossCurves(\.steps, \.loss))
    var test = LineChart(
      "Held-out loss", xLabel: "step", curves: lossCurves(\.evaluations, \.testLoss))
    (loss.isLogarithmic, test.isLogarithmic) = (true, true)
    var accuracy = LineChart(
      "Held-out accuracy", xLabel: "step", curves: lossCurves(\.evaluations, \.testAccuracy))
    accuracy.isPercentage = true
    var speed = LineChart("Samples a second", xLabel: "step", curves: speedCurves)
    speed.startsAtZero = true
    let charts = [loss, test, accuracy, speed].filter { chart in
      chart.curves.contains { !$0.points.isEmpty }
    }
    guard !charts.isEmpty else {
      return ReportSection("Curves", [.text("No step has been logged yet.")])
    }
    return ReportSection("Curves", [.figures(charts.map(ReportFigure.lines))])
  }

  /// One curve for runs that are identical to the bit, and one for each other.
  private func lossCurves(
    _ lines: KeyPath<RecordedRun, [RecordedRun.Line]>, _ value: KeyPath<RecordedRun.Line, Double?>
  ) -> [LineChart.Curve] {
    classes.map { same in
      let points = same[0].record[keyPath: lines].compactMap { line in
        line[keyPath: value].map { LineChart.Point(x: Double(line.step), y: $0) }
      }
      return LineChart.Curve(name(ofClass: same), points)
    }.filter { !$0.points.isEmpty }
  }

  private func name(ofClass same: [ReportedRun]) -> String {
    guard same.count > 1 else { return same[0].name }
    guard same.count < runs.count else { return "all \(runs.count) runs, identical to the bit" }
    let more = same.count > 4 ? " and \(same.count - 4) more" : ""
    return "\(same.count) runs, identical to the bit: "
      + same.prefix(4).map(\.name).joined(separator: ", ") + more
  }

  /// Runs by what they converged to; the first of each class stands for it.
  private var classes: [[ReportedRun]] {
    var classes: [[ReportedRun]] = []
    for run in runs {
      if let place = classes.firstIndex(where: { RunAgreement(run, with: $0[0]) == .identical }) {
        classes[place].append(run)
      } else {
        classes.append([run])
      }
    }
    return classes
  }

  /// One curve a size, its repeats in the same color.
  private var speedCurves: [LineChart.Curve] {
    study.sizes.compactMap { size in
      let lines = size.runs.compactMap(speeds)
      guard let first = lines.first else { return nil }
      let count = size.runs.count > 1 ? ", \(size.runs.count) runs" : ""
      return LineChart.Curve(size.key.label + count, first, repeats: Array(lines.dropFirst()))
    }
  }

  private func speeds(_ run: ReportedRun) -> [LineChart.Point]? {
    guard let intervals = run.timing?.intervals else { return nil }
    // The first interval has the start of the run in it.
    let shown = intervals.count > 2 ? intervals.dropFirst() : intervals[...]
    return shown.map { LineChart.Point(x: Double($0.step), y: $0.samplesPerSecond) }
  }
}
