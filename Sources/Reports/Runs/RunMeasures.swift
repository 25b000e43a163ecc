// SPDX-License-Identifier: Apache-2.0
internal import RunRecords

/// What a run's times and traffic come to, per step.
struct RunMeasures {
  /// Seconds of a step, on average from the first logged step to the last.
  ///
  /// Evaluations and checkpoints between them count, what comes before the first logged step (data,
  /// the first checkpoint, memory that is touched for the first time) does not, unless there is
  /// nothing else.
  let stepSeconds: Double?
  /// Rows a second, over the same steps.
  let samplesPerSecond: Double?
  /// What rank 0's time in them went to, as shares of it.
  let shares: PhaseSeconds?
  /// Bytes that all ranks together move in a step.
  let traffic: Traffic?

  /// Bytes a step.
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
    _ intervals: ArraySlice<RecordedTiming.Interval>, of seconds: Double
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
