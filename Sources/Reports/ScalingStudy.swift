// SPDX-License-Identifier: Apache-2.0
internal import RunRecords

/// A comparison of the same training on several numbers of ranks or hosts.
///
/// Runs that differ in other options than the batch, the slices and the length form separate series;
/// the size with the fewest ranks is the baseline of its series.
struct ScalingStudy {
  /// How the batch depends on the number of ranks.
  enum Kind: String {
    /// It is constant: the same work on more ranks.
    case strong
    /// It is proportional to the ranks: the same work per rank.
    case weak
    /// Neither.
    case mixed
  }

  /// The sizes by series, with ascending ranks in each.
  let sizes: [ScalingSize]
  /// How the batch depends on the number of ranks, over all series.
  let kind: Kind

  /// Groups runs by size; runs without timing are left out.
  init(_ runs: [ReportedRun]) {
    let differing = ReportedRun.differingOptions(runs).filter { !Self.ignored.contains($0) }
    var groups: [(key: Key, runs: [ReportedRun])] = []
    for run in runs {
      guard let start = run.timing?.start else { continue }
      let key = Key(
        series: Self.series(run, differing), ranks: start.ranks, hosts: start.hostCount,
        batch: run.batch, slices: start.slices)
      if let index = groups.firstIndex(where: { $0.key == key }) {
        groups[index].runs.append(run)
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

  /// Whether there is more than one number of ranks or hosts.
  var comparesSizes: Bool { Set(sizes.map { [$0.key.ranks, $0.key.hosts] }).count > 1 }

  /// What repeated runs have in common.
  struct Key: Equatable {
    let series: String
    let ranks, hosts: Int
    let batch: Int?
    let slices: Int

    func isBefore(_ other: Key) -> Bool {
      (ranks, hosts, batch ?? 0, slices)
        < (other.ranks, other.hosts, other.batch ?? 0, other.slices)
    }

    /// The size for people, such as `2 hosts, 4 ranks`.
    var label: String {
      let hostText = "\(hosts) host\(hosts == 1 ? "" : "s")"
      let rankText = "\(ranks) rank\(ranks == 1 ? "" : "s")"
      let size = ranks == hosts ? hostText : "\(hostText), \(rankText)"
      return series.isEmpty ? size : "\(size) (\(series))"
    }
  }

  /// Options that don't separate series: what varies with the size, and what is written when.
  private static let ignored: Set = [
    "batch", "slices", "epochs", "steps", "log-every", "digest-every", "evaluate-every", "metrics",
    "checkpoint-every", "keep", "trace", "trace-steps", "wait-for-checkpoints",
  ]

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

/// The runs of one size, and how they compare with the baseline of their series.
struct ScalingSize {
  let key: ScalingStudy.Key
  let runs: [ReportedRun]
  /// Seconds of the whole run, from its start to the last step.
  let seconds: Spread?
  /// Seconds per step.
  let stepSeconds: Spread?
  /// Training samples per second.
  let samplesPerSecond: Spread?
  /// The samples per second divided by those of the baseline; medians.
  let speedUp: Double?
  /// The speed-up divided by the ratio of the ranks.
  let efficiency: Double?
  /// How rank 0 spent its time, as shares; medians.
  let shares: PhaseSeconds?
  /// The bytes moved per step.
  let traffic: Traffic?
  /// How each run compares with the first run of the baseline.
  let agreements: [RunAgreement]

  /// Bytes per step, medians over the runs.
  struct Traffic {
    /// The number of ranks, or hosts whose ranks share memory, that exchange messages.
    let participants: Int
    /// The gradients and parameters that a participant sends, on average.
    let sent: Double
    /// The minimum that a participant of an all-reduce has to send.
    let lowerBound: Double?
    /// The statistics and sums that a participant sends, on average.
    let statistics: Double
    /// The gradients that all ranks together read from each other's memory.
    let shared: Double
  }

  init(_ key: ScalingStudy.Key, _ runs: [ReportedRun], base: ScalingSize?) {
    self.key = key
    self.runs = runs
    let measurements = runs.map { RunMeasurements($0) }
    seconds = Spread(runs.map { $0.summary?.seconds })
    stepSeconds = Spread(measurements.map(\.stepSeconds))
    samplesPerSecond = Spread(measurements.map(\.samplesPerSecond))
    shares = Self.shares(measurements.compactMap(\.shares))
    traffic = Self.traffic(runs, measurements.compactMap(\.traffic))
    let reference = base?.runs.first ?? runs[0]
    agreements = runs.map { RunAgreement($0, with: reference) }
    let slowest = base == nil ? samplesPerSecond : base?.samplesPerSecond
    if let own = samplesPerSecond?.median, let other = slowest?.median, other > 0 {
      speedUp = own / other
      let growth = Double(key.ranks) / Double(base?.key.ranks ?? key.ranks)
      efficiency = own / other / growth
    } else {
      (speedUp, efficiency) = (nil, nil)
    }
  }

  /// The first agreement that is not `.identical`, or `.identical`.
  var agreement: RunAgreement { agreements.first { $0 != .identical } ?? .identical }

  private static func shares(_ shares: [PhaseSeconds]) -> PhaseSeconds? {
    func median(_ phase: KeyPath<PhaseSeconds, Double>) -> Double? {
      Spread(shares.map { $0[keyPath: phase] })?.median
    }
    guard let compute = median(\.compute), let wait = median(\.wait),
      let exchange = median(\.exchange), let update = median(\.update)
    else { return nil }
    return PhaseSeconds(compute: compute, wait: wait, exchange: exchange, update: update)
  }

  private static func traffic(
    _ runs: [ReportedRun], _ measured: [RunMeasurements.Traffic]
  ) -> Traffic? {
    guard let participants = runs.first?.timing?.start.placement?.participants,
      let exchange = Spread(measured.map(\.exchange)),
      let statistics = Spread(measured.map(\.statistics)),
      let shared = Spread(measured.map(\.shared))
    else { return nil }
    let count = Double(participants)
    return Traffic(
      participants: participants, sent: exchange.median / count,
      lowerBound: runs.compactMap { $0.summary?.parameters }.first.map {
        lowerBound(parameters: $0, participants: participants)
      }, statistics: statistics.median / count, shared: shared.median)
  }

  /// The bytes that each of P participants must send in an all-reduce of a Float32 gradient:
  /// 2 (P - 1) / P of its size.
  ///
  /// Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for clusters of workstations, 2009.
  private static func lowerBound(parameters: Int, participants: Int) -> Double {
    2 * Double(participants - 1) / Double(participants) * 4 * Double(parameters)
  }
}

extension ScalingSize {
  /// A warning if more ranks than cores ran on a machine, as far as the logs show.
  var oversubscription: String? {
    guard let start = runs.first?.timing?.start, let placement = start.placement else {
      return nil
    }
    // If the machines are unknown, every host counts as one.
    let names = placement.machines.map { $0.map { "\($0)" } } ?? start.hosts
    for name in Set(names).sorted() {
      let ranks = names.indices.filter { names[$0] == name }
      let cores = placement.cores[ranks[0]]
      guard ranks.count > cores else { continue }
      let hosts = Set(ranks.map { start.hosts[$0] }).sorted()
      let subject =
        hosts.count > 1
        ? "its \(hosts.count) hosts (\(hosts.joined(separator: ", "))) are one machine with"
        : "\(hosts[0]) has"
      return "\(key.label): \(subject) \(cores) core\(cores == 1 ? "" : "s"), shared by "
        + "\(ranks.count) ranks, so its times don't predict those with a core per rank."
    }
    return nil
  }

  /// The number of cores of the machines, such as `4`, or `2 to 8`; nil if it is unknown.
  var cores: String? {
    guard let cores = runs.first?.timing?.start.placement?.cores, let minimum = cores.min(),
      let maximum = cores.max()
    else { return nil }
    return minimum == maximum ? "\(minimum)" : "\(minimum) to \(maximum)"
  }
}

/// The time and traffic per step of a run.
struct RunMeasurements {
  /// Seconds per step, averaged from the first logged step to the last.
  ///
  /// Evaluations and checkpoints in between are included. What precedes the first logged step
  /// (loading data, the first checkpoint, first accesses to memory) is not, unless there is only one.
  let stepSeconds: Double?
  /// Training samples per second, over the same steps.
  let samplesPerSecond: Double?
  /// How rank 0 spent the time of those steps, as shares.
  let shares: PhaseSeconds?
  /// The bytes that all ranks together moved per step.
  let traffic: Traffic?

  /// Bytes per step.
  struct Traffic {
    let exchange, statistics, shared: Double
  }

  init(_ run: ReportedRun) {
    let all = run.timing?.intervals ?? []
    let counted = all.count > 1 ? all.dropFirst() : all[...]
    let before = all.count > 1 ? all[0].step : run.timing?.start.resumedFrom ?? 0
    let steps = Double((counted.last?.step ?? before) - before)
    let seconds = counted.reduce(0) { $0 + $1.seconds }
    let isMeasured = steps > 0 && seconds > 0
    stepSeconds = isMeasured ? seconds / steps : nil
    let samples = counted.reduce(0) { $0 + $1.samplesPerSecond * $1.seconds }
    samplesPerSecond = isMeasured && samples.isFinite ? samples / seconds : nil
    shares = isMeasured ? Self.shares(counted, of: seconds) : nil
    traffic = Self.traffic(run)
  }

  private static func shares(
    _ intervals: ArraySlice<TimingRecord.Interval>, of seconds: Double
  ) -> PhaseSeconds {
    func share(_ phase: KeyPath<PhaseSeconds, Double>) -> Double {
      intervals.reduce(0) { $0 + $1.phases[keyPath: phase] } / seconds
    }
    return PhaseSeconds(
      compute: share(\.compute), wait: share(\.wait), exchange: share(\.exchange),
      update: share(\.update))
  }

  private static func traffic(_ run: ReportedRun) -> Traffic? {
    guard let summary = run.summary, let bytes = summary.traffic else { return nil }
    let steps = Double(summary.steps - (run.timing?.start.resumedFrom ?? 0))
    guard steps > 0 else { return nil }
    return Traffic(
      exchange: Double(bytes.exchange) / steps, statistics: Double(bytes.statistics) / steps,
      shared: Double(bytes.shared) / steps)
  }
}

/// Whether two runs converged identically, bit for bit, as far as their logs show.
enum RunAgreement: Equatable {
  /// Every logged loss, evaluation and digest is equal, and so are the final digests.
  case identical
  /// They differ, first at this step; nil where only the final digests or the lengths differ.
  case different(step: Int?)
  /// The batch sizes differ, so equal results are not expected.
  case differentBatch
  /// A run has not finished, or they have no logged step in common.
  case unknown

  init(_ run: ReportedRun, with other: ReportedRun) {
    if let batch = run.batch, let expected = other.batch, batch != expected {
      self = .differentBatch
      return
    }
    let steps = [
      RunComparison.stepDifference(run.metrics, other.metrics)?.step,
      RunComparison.evaluationDifference(run.metrics, other.metrics),
    ]
    if let step = steps.compactMap({ $0 }).min() {
      self = .different(step: step)
      return
    }
    guard let digest = run.digest, let expected = other.digest,
      run.metrics.steps.contains(where: { $0.step == other.metrics.steps.first?.step })
    else {
      self = .unknown
      return
    }
    let isAsLong = run.summary?.steps == other.summary?.steps
    self = digest == expected && isAsLong ? .identical : .different(step: nil)
  }

  var isDifference: Bool { if case .different = self { true } else { false } }

  /// The agreement as a phrase for a table or the end of a sentence.
  var text: String {
    switch self {
    case .identical: "bitwise identical"
    case .different(let step?): "differs, first at step \(step)"
    case .different(nil): "differs in length or final digest"
    case .differentBatch: "the batch sizes differ, so equal results are not expected"
    case .unknown: "a run has not finished, or no logged step is in common"
    }
  }
}
