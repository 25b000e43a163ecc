// SPDX-License-Identifier: Apache-2.0
internal import RunRecords

/// What a run's `timing.jsonl` tells of its last start.
struct RecordedTiming {
  /// The start of a run, or of one that goes on.
  struct Start: Equatable {
    let startTime: String?
    let ranks: Int
    let hosts: [String]
    let slices: Int
    let version: String?
    let resumedFrom: Int?
    let placement: Placement?

    /// How many hosts there are.
    var hostCount: Int { Set(hosts).count }
  }

  /// The time from one logged step to the next.
  struct Interval: Equatable {
    let step: Int
    let seconds: Double
    let samplesPerSecond: Double
    let phases: PhaseSeconds
  }

  /// How often the run was started.
  let starts: Int
  /// The last start.
  let start: Start
  /// The intervals since then, ascending.
  let intervals: [Interval]

  /// Reads a file; nil where there is none, or nothing in it yet.
  ///
  /// - Throws: ``RunRecordError/unsuitableData(_:)`` with the line that is damaged.
  init?(path: String) throws {
    guard let lines = try LogLines.read(path, as: Line.self, isValid: \.isValid),
      let last = lines.lastIndex(where: { $0.start != nil }), let start = lines[last].start
    else { return nil }
    starts = lines.count { $0.start != nil }
    self.start = start
    intervals = lines[last...].compactMap(\.interval)
    let steps = [start.resumedFrom ?? 0] + intervals.map(\.step)
    guard zip(steps, steps.dropFirst()).allSatisfy({ $0 < $1 }) else {
      throw RunRecordError.damaged("\(path): steps go backwards; leave this run out")
    }
  }

  /// A line of either kind.
  private struct Line: Decodable {
    let startTime: String?
    let ranks: Int?
    let hosts: [String]?
    let slices: Int?
    let version: String?
    let resumedFrom: Int?
    let cores: [Int]?
    let machines: [Int]?
    let parties: Int?
    let step: Int?
    let seconds: Double?
    let samplesPerSecond: Double?
    let phases: Phases?

    struct Phases: Decodable {
      let compute, wait, exchange, update: Double
    }

    var start: Start? {
      guard step == nil, let ranks, let hosts, let slices, ranks > 0, slices > 0,
        hosts.count == ranks, (0...LogLines.mostSteps).contains(resumedFrom ?? 0)
      else { return nil }
      var placement: Placement?
      if let cores, let parties {
        guard cores.count == ranks, machines?.count ?? ranks == ranks, parties > 0,
          cores.allSatisfy({ $0 > 0 })
        else { return nil }
        placement = Placement(cores: cores, machines: machines, parties: parties)
      }
      return Start(
        startTime: startTime, ranks: ranks, hosts: hosts, slices: slices, version: version,
        resumedFrom: resumedFrom, placement: placement)
    }

    var interval: Interval? {
      guard let step, let seconds, let phases, (1...LogLines.mostSteps).contains(step),
        seconds > 0
      else { return nil }
      return Interval(
        step: step, seconds: seconds, samplesPerSecond: samplesPerSecond ?? .nan,
        phases: PhaseSeconds(
          compute: phases.compute, wait: phases.wait, exchange: phases.exchange,
          update: phases.update))
    }

    var isValid: Bool { start != nil || interval != nil }
  }
}
