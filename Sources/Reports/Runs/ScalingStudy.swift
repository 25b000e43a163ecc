// SPDX-License-Identifier: Apache-2.0
internal import RunRecords

/// The same training on several numbers of ranks or hosts, held side by side.
///
/// Runs that differ in other options than the batch, the slices and how long they go on are series of
/// their own; in each the size with the fewest ranks is what the others are held against.
struct ScalingStudy {
  /// How the batch goes with the ranks.
  enum Kind: String {
    /// It stays: the same work on more ranks.
    case strong
    /// It grows with the ranks: as much work for each rank.
    case weak
    /// Neither.
    case mixed
  }

  /// The sizes, series by series, each by ascending ranks.
  let sizes: [ScalingSize]
  /// How the batch goes with the ranks, over all series.
  let kind: Kind

  /// Sorts runs into sizes; those without times are in none.
  init(_ runs: [ReportedRun]) {
    let differing = Self.differingOptions(runs)
    var groups: [(key: Key, runs: [ReportedRun])] = []
    for run in runs {
      guard let start = run.timing?.start else { continue }
      let key = Key(
        series: Self.series(run, differing), ranks: start.ranks, hosts: start.hostCount,
        batch: run.batch, slices: start.slices)
      if let place = groups.firstIndex(where: { $0.key == key }) {
        groups[place].runs.append(run)
      } else {
        groups.append((key, [run]))
      }
    }
    var order: [String] = []
    for group in groups where !order.contains(group.key.series) { order.append(group.key.series) }
    var sizes: [ScalingSize] = []
    for series in order {
      let own = groups.filter { $0.key.series == series }.sorted { $0.key.isBefore($1.key) }
      guard let base = own.first else { continue }
      let baseline = ScalingSize(base.key, base.runs, base: nil)
      sizes.append(baseline)
      sizes += own.dropFirst().map { ScalingSize($0.key, $0.runs, base: baseline) }
    }
    self.sizes = sizes
    kind = Self.kind(sizes)
  }

  /// Whether there are sizes to compare: more than one number of ranks or hosts.
  var comparesSizes: Bool { Set(sizes.map { [$0.key.ranks, $0.key.hosts] }).count > 1 }

  /// What makes runs repeats of each other.
  struct Key: Equatable {
    let series: String
    let ranks, hosts: Int
    let batch: Int?
    let slices: Int

    func isBefore(_ other: Key) -> Bool {
      (ranks, hosts, batch ?? 0, slices)
        < (other.ranks, other.hosts, other.batch ?? 0, other.slices)
    }

    /// The size in words, such as `2 hosts, 4 ranks`.
    var label: String {
      let hostWords = "\(hosts) host\(hosts == 1 ? "" : "s")"
      let rankWords = "\(ranks) rank\(ranks == 1 ? "" : "s")"
      let size = ranks == hosts ? hostWords : "\(hostWords), \(rankWords)"
      return series.isEmpty ? size : "\(size) (\(series))"
    }
  }

  /// Options that make no other series: what a size changes, and what is written when.
  private static let ignored: Set = [
    "batch", "slices", "epochs", "steps", "log-every", "digest-every", "evaluate-every",
    "checkpoint-every", "keep", "trace", "trace-steps", "wait-for-checkpoints",
  ]

  /// The names of the options in which runs differ, in their order.
  private static func differingOptions(_ runs: [ReportedRun]) -> [String] {
    let known = runs.map(\.options).filter { !$0.isEmpty }
    return (known.first ?? []).enumerated().filter { index, option in
      !ignored.contains(option.name)
        && known.contains { !$0.indices.contains(index) || $0[index].value != option.value }
    }.map(\.element.name)
  }

  private static func series(_ run: ReportedRun, _ differing: [String]) -> String {
    run.options.filter { differing.contains($0.name) }.map { "\($0.name) \($0.value)" }
      .joined(separator: ", ")
  }

  private static func kind(_ sizes: [ScalingSize]) -> Kind {
    let known = sizes.compactMap { size in size.key.batch.map { (size.key.ranks, $0) } }
    guard let first = known.first else { return .mixed }
    if known.allSatisfy({ $0.1 == first.1 }) { return .strong }
    let rows = known.map { Double($0.1) / Double($0.0) }
    return rows.allSatisfy { $0 == rows[0] } ? .weak : .mixed
  }
}
