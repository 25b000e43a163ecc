// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import RunRecords

/// A report on one or more runs: their results, their speed, and how they scale.
///
/// It reads the logs, options and summary of a run directory, but no checkpoints.
///
/// ```swift
/// let report = try RunReport(["runs/one", "runs/two"])
/// try TextFile.publish(report.page.html, to: "report.html")
/// ```
public struct RunReport {
  let runs: [ReportedRun]
  let study: ScalingStudy

  /// Reads the run directories.
  ///
  /// - Parameters:
  ///   - paths: the run directories.
  ///   - resolveOptions: receives the content and the path of a `config.yaml` and returns its content
  ///     with defaults filled in, or throws if it is invalid.
  /// - Throws: ``RunRecordError``: `.missing` for a path that is not a run directory, `.damaged` for
  ///   an invalid file, with its line.
  public init(
    _ paths: [String],
    resolveOptions: (_ content: [UInt8], _ path: String) throws -> [UInt8] = { bytes, _ in bytes }
  ) throws {
    runs = try zip(paths, ReportedRun.names(of: paths)).map {
      try ReportedRun(path: $0, name: $1, resolveOptions)
    }
    study = ScalingStudy(runs)
  }

  /// The report as a page.
  public var page: ReportPage {
    var page = ReportPage(title: title, subtitle: subtitle)
    page.sections.append(ReportSection("", notices))
    if study.comparesSizes { page.sections += scalingSections }
    page.sections.append(curves)
    if let evaluations { page.sections.append(evaluations) }
    page.sections.append(overview)
    return page
  }

  /// The notices and tables, for a terminal; every line ends with a line feed.
  public var text: String {
    let parts = page.sections.flatMap { section in
      section.blocks.compactMap { block in
        switch block {
        case .notice(_, let text): text + "\n"
        case .table(let table): "\(section.heading)\n\(table.text)"
        default: nil
        }
      }
    }
    return parts.joined(separator: "\n")
  }

  private var title: String {
    study.comparesSizes ? "Scaling report" : "Training report"
  }

  private var subtitle: String {
    let count = "\(runs.count) run\(runs.count == 1 ? "" : "s")"
    let times = runs.compactMap { $0.timing?.start.startTime }.sorted()
    let version = runs.compactMap { $0.timing?.start.version ?? $0.summary?.version }.first
    let last = times.count > 1 ? " to \(times[times.count - 1])" : ""
    return [
      common("data").map { "\(count) on \($0.filter { $0 != "\"" })" } ?? count, network,
      times.first.map { "started \($0)" + last }, version.map { "Lockstep \($0)" },
    ].compactMap { $0 }.joined(separator: " · ")
  }

  private var network: String? {
    guard let layers = common("layers"), let summary = runs.compactMap(\.summary).first else {
      return nil
    }
    return "hidden layers \(layers), \(Readable.count(summary.parameters)) parameters"
  }

  /// The value of an option that all runs have in common.
  private func common(_ name: String) -> String? {
    let values = runs.map { $0.option(name) }
    guard let first = values.first, values.allSatisfy({ $0 == first }) else { return nil }
    return first
  }
}

// MARK: - Notices

extension RunReport {
  /// Whether the runs are identical, and what is missing.
  private var notices: [ReportBlock] {
    (runs.count > 1 ? convergenceNotices : []) + runs.compactMap(earlyStop)
      + warnings.map { .notice(.warning, $0) }
  }

  /// Where a run stopped early, and where it was best.
  private func earlyStop(_ run: ReportedRun) -> ReportBlock? {
    guard let summary = run.summary, summary.stoppedEarly == true else { return nil }
    let best =
      if let metric = summary.monitor, let value = summary.best, let step = summary.bestStep {
        "the best \(metric.title) is \(metric.text(of: value)), after step \(Readable.count(step))"
      } else {
        "no value of the monitored metric was finite"
      }
    return .text("\(run.name) stopped early after step \(Readable.count(summary.steps)): \(best).")
  }

  /// For each series, whether its runs converged identically.
  private var convergenceNotices: [ReportBlock] {
    var series: [String] = []
    for size in study.sizes where !series.contains(size.key.series) {
      series.append(size.key.series)
    }
    return series.map { name in
      convergenceNotice(study.sizes.filter { $0.key.series == name }, name)
    }
  }

  private func convergenceNotice(_ sizes: [ScalingSize], _ series: String) -> ReportBlock {
    let subject = series.isEmpty ? "Convergence" : "With \(series), convergence"
    let runs = sizes.flatMap(\.runs)
    let pairs = Array(zip(runs, sizes.flatMap(\.agreements)).dropFirst())
    if pairs.isEmpty { return .text("\(subject): a single run, not compared with any other.") }
    if let (run, agreement) = pairs.first(where: { $0.1.isDifference }) {
      return .notice(
        .warning,
        "\(subject) was not identical: \(difference(run, runs[0], agreement)).")
    }
    let others = pairs.filter { $0.1 != .identical }.map(\.1)
    guard others.count < pairs.count else {
      return .notice(.warning, "\(subject) can't be compared: \(others[0].text).")
    }
    let rest =
      others.isEmpty
      ? "" : " \(others.count) other runs can't be compared: \(others[0].text)."
    return .notice(
      .good,
      "\(subject) was bitwise identical in \(pairs.count - others.count + 1) runs: "
        + "every logged loss, every evaluation, and the final digest \(runs[0].digest ?? "")."
        + rest)
  }

  private func difference(
    _ run: ReportedRun, _ other: ReportedRun, _ agreement: RunAgreement
  ) -> String {
    let text =
      if case .different(let step?) = agreement {
        "\(run.name) first differs from \(other.name) at step \(step)"
      } else {
        "\(run.name) differs from \(other.name) in length or final digest"
      }
    guard let own = run.timing?.start.slices, let base = other.timing?.start.slices, own != base
    else { return text }
    return text + "; they used \(own) and \(base) slices, and only the same --slices gives "
      + "identical results"
  }

  /// What is missing, and caveats about the numbers.
  private var warnings: [String] {
    var warnings: [String] = []
    if study.comparesSizes { warnings += study.sizes.compactMap(\.oversubscription) }
    for run in runs {
      warnings += run.missing.map { "\(run.name) has no \($0)." }
      if let summary = run.summary, !summary.completed {
        warnings.append("\(run.name) was interrupted after step \(summary.steps).")
      }
      if let timing = run.timing, timing.starts > 1 || timing.start.resumedFrom != nil {
        warnings.append(
          "\(run.name) was started \(timing.starts) time\(timing.starts == 1 ? "" : "s"); its times "
            + "and traffic are those of the last start, after step "
            + "\(timing.start.resumedFrom ?? 0).")
      }
    }
    return warnings
  }
}

// MARK: - Curves

extension RunReport {
  /// Losses, accuracy and speed over the steps.
  private var curves: ReportSection {
    var loss = LineChart("Training loss", xLabel: "step", curves: curves(\.steps, \.loss))
    var test = LineChart("Held-out loss", xLabel: "step", curves: curves(\.evaluations, \.testLoss))
    (loss.isLogarithmic, test.isLogarithmic) = (true, true)
    var accuracy = LineChart(
      "Held-out accuracy", xLabel: "step", curves: curves(\.evaluations, \.testAccuracy))
    accuracy.isPercentage = true
    var speed = LineChart("Samples per second", xLabel: "step", curves: speedCurves)
    speed.startsAtZero = true
    let charts = [loss, test, accuracy, speed].filter { chart in
      chart.curves.contains { !$0.points.isEmpty }
    }
    guard !charts.isEmpty else {
      return ReportSection("Curves", [.text("No step has been logged yet.")])
    }
    return ReportSection("Curves", [.figures(charts.map(ReportFigure.lines))])
  }

  /// A curve for each set of identical runs.
  private func curves(
    _ records: KeyPath<MetricsLog, [MetricsRecord]>, _ value: KeyPath<MetricsRecord, Double?>
  ) -> [LineChart.Curve] {
    identicalRuns.map { same in
      let points = same[0].metrics[keyPath: records].compactMap { record in
        record[keyPath: value]?.ifFinite.map { LineChart.Point(x: Double(record.step), y: $0) }
      }
      return LineChart.Curve(name(of: same), points)
    }.filter { !$0.points.isEmpty }
  }

  func name(of same: [ReportedRun]) -> String {
    guard same.count > 1 else { return same[0].name }
    guard same.count < runs.count else { return "all \(runs.count) runs (identical)" }
    let more = same.count > 4 ? " and \(same.count - 4) more" : ""
    return same.prefix(4).map(\.name).joined(separator: ", ") + more + " (identical)"
  }

  /// The runs in sets of identical ones; the first of a set represents it.
  var identicalRuns: [[ReportedRun]] {
    var sets: [[ReportedRun]] = []
    for run in runs {
      if let index = sets.firstIndex(where: { RunAgreement(run, with: $0[0]) == .identical }) {
        sets[index].append(run)
      } else {
        sets.append([run])
      }
    }
    return sets
  }

  /// A curve for each size, with repeated runs in the same color.
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
    // The first interval includes the start of the run.
    let shown = intervals.count > 2 ? intervals.dropFirst() : intervals[...]
    return shown.map { LineChart.Point(x: Double($0.step), y: $0.samplesPerSecond) }
  }
}

// MARK: - Runs and options

extension RunReport {
  private var overview: ReportSection {
    ReportSection("Runs", [.table(runsTable)] + optionTables)
  }

  private var runsTable: ReportTable {
    ReportTable(
      "runs",
      columns: [
        "Run", "Digest", "Hosts", "Ranks", "Slices", "Started", "Steps", "Time", "Samples/s",
        "Training loss", "Held-out loss", "Held-out accuracy",
      ],
      rows: runs.map { run in
        let (start, summary) = (run.timing?.start, run.summary)
        let (last, evaluation) = (run.metrics.steps.last, run.metrics.evaluations.last)
        return [
          "\(run.name)", ReportTable.Cell(run.digest ?? "–", isCode: true),
          .known(hosts(start)) { $0 }, .known(start?.ranks ?? summary?.ranks, Readable.count),
          .known(start?.slices ?? summary?.slices, Readable.count), .known(start?.startTime) { $0 },
          .known(summary?.steps ?? last?.step, Readable.count),
          .known(summary?.seconds, Readable.duration),
          .known(RunMeasurements(run).samplesPerSecond, Readable.rate),
          .known(summary?.finalLoss ?? last?.loss?.ifFinite, Readable.loss),
          .known(summary?.testLoss ?? evaluation?.testLoss?.ifFinite, Readable.loss),
          .known(
            summary?.testAccuracy ?? evaluation?.testAccuracy?.ifFinite, Readable.percentage),
        ]
      }, textColumns: 3)
  }

  /// The names of a run's hosts, at most four.
  private func hosts(_ start: TimingRecord.Start?) -> String? {
    guard let start else { return nil }
    var names: [String] = []
    for host in start.hosts where !names.contains(host) { names.append(host) }
    let more = names.count > 4 ? " and \(names.count - 4) more" : ""
    return names.prefix(4).joined(separator: ", ") + more
  }

  /// The options in which the runs differ, and those that they have in common.
  private var optionTables: [ReportBlock] {
    let known = runs.filter { !$0.options.isEmpty }
    guard let first = known.first else { return [] }
    let differing = ReportedRun.differingOptions(known)
    let differences = ReportTable(
      "differing-options", columns: ["Option"] + known.map(\.name),
      rows: differing.map { name in
        ["\(name)"] + known.map { ReportTable.Cell($0.option(name) ?? "–") }
      }, textColumns: 1 + known.count)
    let common = ReportTable(
      "options", columns: ["Option", "Value"],
      rows: first.options.filter { !differing.contains($0.name) }.map {
        ["\($0.name)", "\($0.value)"]
      }, textColumns: 2)
    return (differing.isEmpty ? [] : [.details("Options that differ", differences)])
      + [.details(known.count > 1 ? "Options in common" : "Options", common)]
  }
}

/// What a report shows of a run: the content of its logs, options and summary.
struct ReportedRun {
  /// The run directory.
  let path: String
  /// A short name that is unique in the report.
  let name: String
  /// The logged steps and evaluations.
  let metrics: MetricsLog
  /// The timing of the last start; nil if there is none.
  let timing: TimingLog?
  /// The outcome; nil before the end of the run.
  let summary: RunSummary?
  /// The last evaluation of the held-out rows; nil before the end of the run, and of runs by versions
  /// that did not record it.
  let evaluation: EvaluationRecord?
  /// The options as (name, value); empty if they are unknown.
  let options: [(name: String, value: String)]
  /// The missing files and their consequence, as the end of a sentence.
  let missing: [String]

  /// Reads a run directory.
  ///
  /// - Throws: ``RunRecordError``: `.missing` if this is not a run directory, `.damaged` if a file is
  ///   invalid.
  init(
    path: String, name: String,
    _ resolveOptions: (_ content: [UInt8], _ path: String) throws -> [UInt8]
  ) throws {
    let directory = RunDirectory(existing: path)
    let files = [
      (directory.metrics, "metrics.jsonl, so losses are not shown"),
      (directory.timing, "timing.jsonl, so times are not shown"),
      (directory.summary, "summary.json, so the outcome is not shown"),
      (directory.configuration, "config.yaml, so options are not shown"),
    ]
    let absent = files.filter { !FileManager.default.fileExists(atPath: $0.0) }
    guard absent.count < files.count else {
      throw RunRecordError.missing(
        "\(path): not a run directory; name one that lockstep train has written")
    }
    func read<Content>(_ file: String, _ body: (String) throws -> Content?) rethrows -> Content? {
      absent.contains { $0.0 == file } ? nil : try body(file)
    }
    self.path = path
    self.name = name
    missing = absent.map(\.1)
    metrics = try read(directory.metrics) { try MetricsLog(path: $0) } ?? MetricsLog()
    timing = try read(directory.timing) { try TimingLog(path: $0) }
    evaluation =
      FileManager.default.fileExists(atPath: directory.evaluation)
      ? try EvaluationRecord(path: directory.evaluation) : nil
    summary = try read(directory.summary) { try RunSummary(path: $0) }
    options =
      try read(directory.configuration) { try Self.options($0, resolveOptions) } ?? []
  }

  /// The digest of the final weights.
  var digest: String? { summary?.digest }
  /// The number of rows in a batch.
  var batch: Int? { option("batch").flatMap { Int($0) } }

  /// The value of an option.
  func option(_ name: String) -> String? {
    options.first { $0.name == name }?.value
  }

  private static func options(
    _ path: String, _ resolve: (_ content: [UInt8], _ path: String) throws -> [UInt8]
  ) throws -> [(name: String, value: String)] {
    do {
      let content = try resolve(ConfigurationFile.bytes(path: path), path)
      return try ConfigurationFile.entries(of: content, path: path).map {
        ($0.key, $0.value.yaml)
      }
    } catch RunRecordError.badConfiguration(let message) {
      throw RunRecordError.damaged(message)
    }
  }

  /// The names of the options in which runs with known options differ, in the order of the first run.
  static func differingOptions(_ runs: [ReportedRun]) -> [String] {
    let known = runs.filter { !$0.options.isEmpty }
    guard let first = known.first else { return [] }
    return first.options.filter { option in
      known.contains { $0.option(option.name) != option.value }
    }.map(\.name)
  }

  /// The paths without their common parent directories, or unchanged if that makes two equal.
  static func names(of paths: [String]) -> [String] {
    let parts = paths.map { $0.split(separator: "/").filter { $0 != "." }.map(String.init) }
    var common = 0
    while let part = parts.first?.dropFirst(common).first,
      parts.allSatisfy({ $0.count > common + 1 && $0[common] == part })
    {
      common += 1
    }
    let names = parts.map { $0.dropFirst(common).joined(separator: "/") }
    return Set(names).count == Set(paths).count && !names.contains("") ? names : paths
  }
}
