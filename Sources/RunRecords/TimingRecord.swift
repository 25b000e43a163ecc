// SPDX-License-Identifier: Apache-2.0

/// A line of `timing.jsonl`: what may differ between runs that compute the same.
public enum TimingRecord: LogRecord, Equatable, Sendable {
  case start(Start)
  case interval(Interval)

  /// The start of a run, or of its continuation from a checkpoint.
  public struct Start: Equatable, Sendable {
    /// The time in ISO 8601.
    public let startTime: String?
    /// The number of processes.
    public let ranks: Int
    /// The host name of each rank.
    public let hosts: [String]
    /// The number of slices of a batch.
    public let slices: Int
    /// The version of Lockstep.
    public let version: String?
    /// The step after which the run was resumed; nil for a new run.
    public let resumedFrom: Int?
    /// Which start by the launcher this is, if there is a launcher.
    public let attempt: LaunchAttempt?
    /// The cores and machines of the ranks; nil in logs of older versions.
    public let placement: Placement?

    /// The number of different hosts.
    public var hostCount: Int { Set(hosts).count }
  }

  /// The time since the record before, up to and including a step.
  public struct Interval: Equatable, Sendable {
    /// The last step of the interval.
    public let step: Int
    /// The epoch of that step, 1 for the first.
    public let epoch: Int
    /// The length of the interval, in seconds.
    public let seconds: Double
    /// Training samples per second.
    public let samplesPerSecond: Double
    /// How rank 0 spent the time.
    public let phases: PhaseSeconds
    /// What rank 0 moved; nil in logs of older versions.
    public let traffic: TrafficBytes?
  }

  /// The start of a run; `startTime` is in ISO 8601, `hosts` has one name per rank.
  public static func start(
    startTime: String, ranks: Int, hosts: [String], slices: Int, version: String,
    resumedFrom: Int? = nil, attempt: LaunchAttempt? = nil, placement: Placement? = nil
  ) -> Self {
    .start(
      Start(
        startTime: startTime, ranks: ranks, hosts: hosts, slices: slices, version: version,
        resumedFrom: resumedFrom, attempt: attempt, placement: placement))
  }

  /// The time since the record before, up to and including a step, and rank 0's traffic in it.
  public static func interval(
    step: Int, epoch: Int, seconds: Double, samplesPerSecond: Double, phases: PhaseSeconds,
    traffic: TrafficBytes? = nil
  ) -> Self {
    .interval(
      Interval(
        step: step, epoch: epoch, seconds: seconds, samplesPerSecond: samplesPerSecond,
        phases: phases, traffic: traffic))
  }

  /// `{"start_time":…,"ranks":…,"hosts":[…],"slices":…,"version":…,"resumed_from":…,
  /// "launch":"…","attempt":…,"cores":[…],"machines":[…],"parties":…}` or
  /// `{"step":…,"epoch":…,"seconds":…,"samples_per_second":…,"phases":{…},"traffic":{…}}`.
  public var line: String {
    switch self {
    case .start(let start): start.fields.line
    case .interval(let interval): interval.fields.line
    }
  }

  fileprivate enum Key: String, CodingKey {
    case ranks, hosts, slices, version, launch, attempt, cores, machines
    case startTime = "start_time"
    case resumedFrom = "resumed_from"
    case participants = "parties"
    case step, epoch, seconds, phases, traffic
    case samplesPerSecond = "samples_per_second"
  }
}

extension TimingRecord: Decodable {
  /// Reads a line.
  ///
  /// - Throws: `DecodingError`, also for values that no run has, such as 0 ranks.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Key.self)
    self =
      fields.contains(.step) ? .interval(try Interval(fields)) : .start(try Start(fields))
  }
}

extension TimingRecord.Start {
  fileprivate typealias Key = TimingRecord.Key

  fileprivate var fields: JSONFields {
    var fields = JSONFields()
    if let startTime { fields.add(Key.startTime, startTime) }
    fields.add(Key.ranks, ranks)
    fields.add(Key.hosts, hosts)
    fields.add(Key.slices, slices)
    if let version { fields.add(Key.version, version) }
    if let resumedFrom { fields.add(Key.resumedFrom, resumedFrom) }
    if let attempt {
      fields.add(Key.launch, attempt.launch)
      fields.add(Key.attempt, attempt.number)
    }
    if let placement {
      fields.add(Key.cores, placement.cores)
      if let machines = placement.machines { fields.add(Key.machines, machines) }
      fields.add(Key.participants, placement.participants)
    }
    return fields
  }

  fileprivate init(_ fields: KeyedDecodingContainer<Key>) throws {
    self.init(
      startTime: try fields.decodeIfPresent(String.self, forKey: .startTime),
      ranks: try fields.decode(Int.self, forKey: .ranks),
      hosts: try fields.decode([String].self, forKey: .hosts),
      slices: try fields.decode(Int.self, forKey: .slices),
      version: try fields.decodeIfPresent(String.self, forKey: .version),
      resumedFrom: try fields.decodeIfPresent(Int.self, forKey: .resumedFrom),
      attempt: try LaunchAttempt(fields), placement: try Placement(fields))
    guard ranks > 0, hosts.count == ranks, slices > 0,
      JSONLinesLog.validSteps.contains(resumedFrom ?? 0), placement?.isPossible(ranks) ?? true
    else {
      throw DecodingError.dataCorruptedError(
        forKey: .ranks, in: fields, debugDescription: "no run starts like this")
    }
  }
}

extension TimingRecord.Interval {
  fileprivate typealias Key = TimingRecord.Key

  fileprivate var fields: JSONFields {
    var fields = JSONFields()
    fields.add(Key.step, step)
    fields.add(Key.epoch, epoch)
    fields.add(Key.seconds, seconds)
    fields.add(Key.samplesPerSecond, samplesPerSecond)
    fields.add(Key.phases, phases.fields)
    if let traffic { fields.add(Key.traffic, traffic.fields) }
    return fields
  }

  fileprivate init(_ fields: KeyedDecodingContainer<Key>) throws {
    self.init(
      step: try fields.decode(Int.self, forKey: .step),
      epoch: try fields.decodeIfPresent(Int.self, forKey: .epoch) ?? 0,
      seconds: try fields.decode(Double.self, forKey: .seconds),
      samplesPerSecond: try fields.number(.samplesPerSecond) ?? .nan,
      phases: try fields.decode(PhaseSeconds.self, forKey: .phases),
      traffic: try fields.decodeIfPresent(TrafficBytes.self, forKey: .traffic))
    guard step > 0, JSONLinesLog.validSteps.contains(step), seconds > 0 else {
      throw DecodingError.dataCorruptedError(
        forKey: .step, in: fields, debugDescription: "no interval ends like this")
    }
  }
}

/// How the time of some steps was spent, in seconds.
public struct PhaseSeconds: Codable, Equatable, Sendable {
  /// Computing.
  public var compute: Double
  /// Waiting for other ranks.
  public var wait: Double
  /// Moving gradients and weights.
  public var exchange: Double
  /// The optimizer.
  public var update: Double

  /// Makes a record from its phases.
  public init(compute: Double = 0, wait: Double = 0, exchange: Double = 0, update: Double = 0) {
    self.compute = compute
    self.wait = wait
    self.exchange = exchange
    self.update = update
  }

  /// The keys of the object.
  public enum CodingKeys: CodingKey { case compute, wait, exchange, update }

  fileprivate var fields: JSONFields {
    var fields = JSONFields()
    fields.add(CodingKeys.compute, compute)
    fields.add(CodingKeys.wait, wait)
    fields.add(CodingKeys.exchange, exchange)
    fields.add(CodingKeys.update, update)
    return fields
  }
}

/// The bytes that steps moved, without message headers.
public struct TrafficBytes: Codable, Equatable, Sendable {
  /// Gradients and parameters that were sent in messages.
  public var exchange: Int
  /// Statistics and sums over the batch that were sent in messages.
  public var statistics: Int
  /// Gradients that were read from the memory of ranks on the same host.
  public var shared: Int

  /// Makes a record from its kinds.
  public init(exchange: Int = 0, statistics: Int = 0, shared: Int = 0) {
    self.exchange = exchange
    self.statistics = statistics
    self.shared = shared
  }

  /// The keys of the object.
  public enum CodingKeys: CodingKey { case exchange, statistics, shared }

  var fields: JSONFields {
    var fields = JSONFields()
    fields.add(CodingKeys.exchange, exchange)
    fields.add(CodingKeys.statistics, statistics)
    fields.add(CodingKeys.shared, shared)
    return fields
  }
}

/// Where the ranks of a run are.
public struct Placement: Equatable, Sendable {
  /// The number of cores of each rank's machine.
  public var cores: [Int]
  /// A number for each rank that ranks on the same machine share, even in different containers; nil
  /// where that can't be determined.
  public var machines: [Int]?
  /// The number of processes or process groups that exchange gradients in messages: ranks, or hosts
  /// whose ranks share memory.
  public var participants: Int

  /// Makes a placement from its parts.
  public init(cores: [Int], machines: [Int]?, participants: Int) {
    self.cores = cores
    self.machines = machines
    self.participants = participants
  }

  fileprivate init?(_ fields: KeyedDecodingContainer<TimingRecord.Key>) throws {
    guard let cores = try fields.decodeIfPresent([Int].self, forKey: .cores),
      let participants = try fields.decodeIfPresent(Int.self, forKey: .participants)
    else { return nil }
    self.init(
      cores: cores, machines: try fields.decodeIfPresent([Int].self, forKey: .machines),
      participants: participants)
  }

  fileprivate func isPossible(_ ranks: Int) -> Bool {
    cores.count == ranks && cores.allSatisfy { $0 > 0 } && participants > 0
      && machines?.count ?? ranks == ranks
  }
}

/// Which of a launcher's starts of a run this is.
public struct LaunchAttempt: Equatable, Sendable {
  /// An identifier that the first start and its restarts have in common.
  public let launch: String
  /// The number of the start, 1 for the first.
  public let number: Int

  /// A start with its number.
  public init(launch: String, number: Int) {
    self.launch = launch
    self.number = number
  }

  fileprivate init?(_ fields: KeyedDecodingContainer<TimingRecord.Key>) throws {
    guard let launch = try fields.decodeIfPresent(String.self, forKey: .launch),
      let number = try fields.decodeIfPresent(Int.self, forKey: .attempt)
    else { return nil }
    self.init(launch: launch, number: number)
  }
}

/// What a run's `timing.jsonl` records about its last start.
public struct TimingLog: Sendable {
  /// The number of times that the run was started.
  public let starts: Int
  /// The last start.
  public let start: TimingRecord.Start
  /// The intervals since then, by ascending step.
  public let intervals: [TimingRecord.Interval]

  /// Reads a file; nil if it holds no start yet.
  ///
  /// - Throws: ``RunRecordError``: `.missing` where the file can't be read, `.damaged` where a line is
  ///   not a record or steps decrease.
  public init?(path: String) throws {
    var last: TimingRecord.Start?
    var starts = 0
    var intervals: [TimingRecord.Interval] = []
    for record in try JSONLinesLog.read(path, as: TimingRecord.self) {
      switch record {
      case .start(let start):
        (last, intervals) = (start, [])
        starts += 1
      case .interval(let interval): intervals.append(interval)
      }
    }
    guard let last else { return nil }
    let steps = [last.resumedFrom ?? 0] + intervals.map(\.step)
    guard zip(steps, steps.dropFirst()).allSatisfy({ $0 < $1 }) else {
      throw RunRecordError.damaged("\(path): damaged: steps decrease; leave out this run")
    }
    (self.starts, start, self.intervals) = (starts, last, intervals)
  }
}
