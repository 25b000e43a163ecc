// SPDX-License-Identifier: Apache-2.0
internal import RunRecords

/// The runs, one by one, and their options.
extension RunReport {
  var overview: ReportSection {
    ReportSection("Runs", [.table(runsTable)] + optionsBlocks)
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
        return [
          "\(run.name)", ReportTable.Cell(run.digest ?? "–", isCode: true),
          .known(hosts(start)) { $0 }, .known(run.ranks, Readable.count),
          .known(start?.slices ?? summary?.slices, Readable.count), .known(start?.startTime) { $0 },
          .known(summary?.steps ?? run.record.steps.last?.step, Readable.count),
          .known(summary?.seconds, Readable.duration),
          .known(RunMeasures(run).samplesPerSecond, Readable.rate),
          .known(summary?.finalLoss ?? run.record.steps.last?.loss, Readable.loss),
          .known(summary?.testLoss ?? run.record.evaluations.last?.testLoss, Readable.loss),
          .known(
            summary?.testAccuracy ?? run.record.evaluations.last?.testAccuracy, Readable.percentage),
        ]
      }, textColumns: 3)
  }

  /// The names of a run's hosts, four at the most.
  private func hosts(_ start: RecordedTiming.Start?) -> String? {
    guard let start else { return nil }
    var names: [String] = []
    for host in start.hosts where !names.contains(host) { names.append(host) }
    let more = names.count > 4 ? " and \(names.count - 4) more" : ""
    return names.prefix(4).joined(separator: ", ") + more
  }

  /// The options that all have in common, and those in which they differ.
  private var optionsBlocks: [ReportBlock] {
    let known = runs.filter { !$0.options.isEmpty }
    guard let first = known.first else { return [] }
    var common = ReportTable("options", columns: ["Option", "Value"], textColumns: 2)
    var differing = ReportTable(
      "differing-options", columns: ["Option"] + known.map(\.name), textColumns: 1 + known.count)
    for (index, option) in first.options.enumerated() {
      let values = known.map { $0.options[index].value }
      if values.allSatisfy({ $0 == option.value }) {
        common.rows.append(["\(option.name)", "\(option.value)"])
      } else {
        differing.rows.append(["\(option.name)"] + values.map { ReportTable.Cell($0) })
      }
    }
    return (differing.rows.isEmpty ? [] : [.details("Options that differ", differing)])
      + [.details("Options that all runs have in common", common)]
  }
}
