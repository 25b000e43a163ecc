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

/// Bytes that were moved in steps, headers of messages not included.
public struct TrafficBytes: Codable, Equatable, Sendable {
  /// Gradients and parameters that were sent in messages.
  public var exchange: Int
  /// Statistics and sums over the batch that were sent in messages.
  public var statistics: Int
  /// Gradients that were read from the memory of ranks on the same host.
  public var shared: Int

  /// Sums up a traffic.
  public init(exchange: Int = 0, statistics: Int = 0, shared: Int = 0) {
    self.exchange = exchange
    self.statistics = statistics
    self.shared = shared
  }

  var fields: JSONFields {
    var fields = JSONFields()
    fields.add("exchange", exchange)
    fields.add("statistics", statistics)
    fields.add("shared", shared)
    return fields
  }
}

/// Where the ranks of a run are.
public struct Placement: Equatable, Sendable {
  /// The cores of each rank's machine.
  public var cores: [Int]
  /// For each rank a number that ranks of one machine have in common, also those of several
  /// containers on it; nil where that can't be known.
  public var machines: [Int]?
  /// Between how many parties gradients travel in messages: ranks, or hosts whose ranks share memory.
  public var parties: Int

  /// A placement from all it has.
  public init(cores: [Int], machines: [Int]?, parties: Int) {
    self.cores = cores
    self.machines = machines
    self.parties = parties
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
    resumedFrom: Int? = nil, attempt: LaunchAttempt? = nil, placement: Placement? = nil)
  /// The time since the record before, up to and including a step, and rank 0's traffic in it.
  case interval(
    step: Int, epoch: Int, seconds: Double, samplesPerSecond: Double, phases: PhaseSeconds,
    traffic: TrafficBytes? = nil)

  /// `{"start_time":…,"ranks":…,"hosts":[…],"slices":…,"version":…,"resumed_from":…,
  /// "launch":"…","attempt":…,"cores":[…],"machines":[…],"parties":…}` or
  /// `{"step":…,"epoch":…,"seconds":…,"samples_per_second":…,"phases":{…},"traffic":{…}}`.
  public var line: String {
    var fields = JSONFields()
    switch self {
    case .start(
      let startTime, let ranks, let hosts, let slices, let version, let resumedFrom, let attempt,
      let placement):
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
      if let placement {
        fields.add("cores", placement.cores)
        if let machines = placement.machines { fields.add("machines", machines) }
        fields.add("parties", placement.parties)
      }
    case .interval(
      let step, let epoch, let seconds, let samplesPerSecond, let phases, let traffic):
      fields.add("step", step)
      fields.add("epoch", epoch)
      fields.add("seconds", seconds)
      fields.add("samples_per_second", samplesPerSecond)
      fields.add("phases", Self.fields(of: phases))
      if let traffic { fields.add("traffic", traffic.fields) }
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
