// SPDX-License-Identifier: Apache-2.0

/// Where the time of some steps went, in seconds.
public struct PhaseSeconds: Equatable, Sendable {
  /// Arithmetic.
  public var compute: Double
  /// Waiting for other ranks.
  public var wait: Double
  /// Moving gradients and weights.
  public var exchange: Double
  /// The optimizer.
  public var update: Double

  /// Sums up a time.
  public init(compute: Double = 0, wait: Double = 0, exchange: Double = 0, update: Double = 0) {
    self.compute = compute
    self.wait = wait
    self.exchange = exchange
    self.update = update
  }
}

/// Which of a launcher's starts of a run this is.
public struct LaunchAttempt: Equatable, Sendable {
  /// The launch: the first start and its restarts have the same.
  public let launch: String
  /// The number of the start, 1 for the first.
  public let number: Int

  /// A start with its number.
  public init(launch: String, number: Int) {
    self.launch = launch
    self.number = number
  }
}

/// A line of `timing.jsonl`: what may differ between runs that compute the same.
public enum TimingRecord: LogRecord, Equatable, Sendable {
  /// The start of a run, or of a run that goes on after `resumedFrom`.
  ///
  /// `startTime` is in ISO 8601; `hosts` has one name a rank, in their order.
  case start(
    startTime: String, ranks: Int, hosts: [String], slices: Int, version: String,
    resumedFrom: Int? = nil, attempt: LaunchAttempt? = nil)
  /// The time since the record before, measured on rank 0, up to and including a step.
  case interval(
    step: Int, epoch: Int, seconds: Double, samplesPerSecond: Double, phases: PhaseSeconds)

  /// `{"start_time":…,"ranks":…,"hosts":[…],"slices":…,"version":…,"resumed_from":…,
  /// "launch":"…","attempt":…}` or
  /// `{"step":…,"epoch":…,"seconds":…,"samples_per_second":…,"phases":{…}}`.
  public var line: String {
    var fields = JSONFields()
    switch self {
    case .start(
      let startTime, let ranks, let hosts, let slices, let version, let resumedFrom, let attempt):
      fields.add("start_time", startTime)
      fields.add("ranks", ranks)
      fields.add("hosts", hosts)
      fields.add("slices", slices)
      fields.add("version", version)
      if let resumedFrom { fields.add("resumed_from", resumedFrom) }
      if let attempt {
        fields.add("launch", attempt.launch)
        fields.add("attempt", attempt.number)
      }
    case .interval(let step, let epoch, let seconds, let samplesPerSecond, let phases):
      fields.add("step", step)
      fields.add("epoch", epoch)
      fields.add("seconds", seconds)
      fields.add("samples_per_second", samplesPerSecond)
      fields.add("phases", Self.fields(of: phases))
    }
    return fields.line
  }

  private static func fields(of phases: PhaseSeconds) -> JSONFields {
    var fields = JSONFields()
    fields.add("compute", phases.compute)
    fields.add("wait", phases.wait)
    fields.add("exchange", phases.exchange)
    fields.add("update", phases.update)
    return fields
  }
}
