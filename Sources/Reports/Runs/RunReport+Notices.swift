// SPDX-License-Identifier: Apache-2.0
internal import RunRecords

/// What stands at the top: whether runs are equal, and what is missing.
extension RunReport {
  var notices: [ReportBlock] {
    (runs.count > 1 ? verdicts : []) + warnings.map { .notice(.warning, $0) }
  }

  /// For each series whether its runs have converged alike.
  private var verdicts: [ReportBlock] {
    var seen: [String] = []
    for size in study.sizes where !seen.contains(size.key.series) { seen.append(size.key.series) }
    return seen.map { series in
      failure(study.sizes.filter { $0.key.series == series }, series)
    }
  }

  private func failure(_ sizes: [ScalingSize], _ series: String) -> ReportBlock {
    let place = series.isEmpty ? "Convergence " : "With \(series), convergence "
    let runs = sizes.flatMap(\.runs)
    let pairs = Array(zip(runs, sizes.flatMap(\.agreements)).dropFirst())
    if pairs.isEmpty { return .text(place + "is that of one run, compared with no other.") }
    if let (run, agreement) = pairs.first(where: { $0.1.isDifference }) {
      return .notice(
        .warning,
        place + "was not identical: \(run.name) differs from \(runs[0].name), "
          + "\(agreement.words)\(slicesHint(run, runs[0])).")
    }
    let others = pairs.filter { $0.1 != .identical }.map(\.1)
    guard others.count < pairs.count else {
      return .notice(
        .warning,
        place + "can't be compared: \(others[0].words).")
    }
    let rest = others.isEmpty ? "" : " \(others.count) more can't be compared: \(others[0].words)."
    return .notice(
      .good,
      place + "was identical to the bit in \(pairs.count - others.count + 1) runs: "
        + "every logged loss, every evaluation, and the final digest \(runs[0].digest ?? "")."
        + rest)
  }

  private func slicesHint(_ run: ReportedRun, _ other: ReportedRun) -> String {
    guard let own = run.timing?.start.slices, let base = other.timing?.start.slices, own != base
    else { return "" }
    return "; they have \(own) and \(base) slices, and only equal --slices give equal bits"
  }

  /// What the figures lack or leave out.
  private var warnings: [String] {
    var words: [String] = []
    if study.comparesSizes { words += study.sizes.compactMap(SizeWarnings.crowding) }
    for run in runs {
      words += run.missing.map { "\(run.name) has no \($0)." }
      if let summary = run.summary, !summary.completed {
        words.append("\(run.name) was stopped after step \(summary.steps), before its end.")
      }
      if let timing = run.timing, timing.starts > 1 || timing.start.resumedFrom != nil {
        words.append(
          "\(run.name) was started \(timing.starts) times; its times and traffic are those of the "
            + "last start, after step \(timing.start.resumedFrom ?? 0).")
      }
    }
    return words
  }
}

extension RunAgreement {
  var isDifference: Bool { if case .different = self { true } else { false } }

  /// The agreement in words, as they stand in a sentence.
  var words: String {
    switch self {
    case .identical: "identical to the bit"
    case .different(let step?): "first at step \(step)"
    case .different(nil): "in length or final digest"
    case .otherBatch: "the batch differs, and another batch is another computation"
    case .unknown: "a run has not ended, or no logged step is in common"
    }
  }
}
