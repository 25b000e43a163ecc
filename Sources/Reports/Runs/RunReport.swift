// SPDX-License-Identifier: Apache-2.0
internal import RunRecords

/// A report on one run or several: what they came to, how fast, and how that goes with their size.
///
/// It reads nothing of a run directory but its logs, options and summary.
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
  /// - Throws: ``RunRecordError``: `.missingFile` for a path that is no run directory,
  ///   `.unsuitableData` for a damaged file, named with its line.
  public init(_ paths: [String]) throws {
    runs = try zip(paths, RunNames.names(of: paths)).map { try ReportedRun(path: $0, name: $1) }
    study = ScalingStudy(runs)
  }

  /// The report as a page.
  public var page: ReportPage {
    var page = ReportPage(title: title, subtitle: subtitle)
    page.sections.append(ReportSection("", notices))
    if study.comparesSizes { page.sections += scalingSections }
    page.sections.append(curves)
    page.sections.append(overview)
    return page
  }

  /// The tables and what stands out, for a terminal; every line ends with a line feed.
  public var text: String {
    let parts = page.sections.flatMap { section in
      section.blocks.compactMap { block in
        switch block {
        case .notice(_, let words): words + "\n"
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
    guard let layers = common("layers"), let parameters = runs.compactMap(\.summary).first else {
      return nil
    }
    return "hidden layers \(layers), \(Readable.count(parameters.parameters)) parameters"
  }

  /// The value of an option that all runs have in common.
  private func common(_ name: String) -> String? {
    let values = runs.map { run in run.options.first { $0.name == name }?.value }
    guard let first = values.first, values.allSatisfy({ $0 == first }) else { return nil }
    return first
  }
}
