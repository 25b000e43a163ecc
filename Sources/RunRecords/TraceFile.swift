// SPDX-License-Identifier: Apache-2.0
internal import Files

/// One thing that took time.
public struct TraceEvent: Equatable, Sendable {
  /// What it was, such as `forward 0`.
  public var name: String
  /// The step that it belongs to.
  public var step: Int
  /// When it began and ended, in seconds since some moment that all tracks share.
  public var start, end: Double
  /// Whether it went on beside what its rank did.
  public var isUnderway: Bool

  /// An event from all it has.
  public init(name: String, step: Int, start: Double, end: Double, isUnderway: Bool = false) {
    self.isUnderway = isUnderway
    self.name = name
    self.step = step
    self.start = start
    self.end = end
  }
}

/// The events of one rank; they nest, but for those under way beside others.
public struct TraceTrack: Equatable, Sendable {
  /// The rank's number.
  public var rank: Int
  /// Where it ran.
  public var host: String
  /// What it did.
  public var events: [TraceEvent]
  /// How many more events there was no room for.
  public var dropped: Int

  /// A track from all it has.
  public init(rank: Int, host: String, events: [TraceEvent], dropped: Int = 0) {
    self.rank = rank
    self.host = host
    self.events = events
    self.dropped = dropped
  }
}

/// A file of the Trace Event Format, which Perfetto and chrome://tracing open: a process is a host, a
/// thread is a rank, and what is under way has a row of its own.
///
/// Times in it are microseconds since the first event. The format:
/// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
public enum TraceFile {
  /// Writes all tracks; the file is there when it is complete, or not at all.
  ///
  /// - Throws: ``RunRecordError/writeFailed(path:reason:)``.
  public static func write(_ tracks: [TraceTrack], to path: String) throws {
    let origin = tracks.lazy.flatMap(\.events).map(\.start).min() ?? 0
    var hosts: [String] = []
    try OutputFile.publish(path) { file in
      try file.write("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n")
      var separator = ""
      for track in tracks {
        if !hosts.contains(track.host) { hosts.append(track.host) }
        let process = hosts.firstIndex(of: track.host) ?? 0
        var lines = names(track, process: process)
        // A span that holds others comes before them.
        for event in track.events.sorted(by: { ($0.start, -$0.end) < ($1.start, -$1.end) }) {
          lines += self.lines(event, track, process: process, origin: origin)
        }
        try file.write(separator + lines.joined(separator: ",\n"))
        separator = ",\n"
      }
      try file.write("\n]}\n")
    }
  }

  private static func lines(
    _ event: TraceEvent, _ track: TraceTrack, process: Int, origin: Double
  ) -> [String] {
    let (start, end) = (microseconds(event.start - origin), microseconds(event.end - origin))
    func line(_ kind: String, at time: Double, _ more: (inout JSONFields) -> Void) -> String {
      var fields = JSONFields()
      fields.add("name", event.name)
      fields.add("ph", kind)
      fields.add("pid", process)
      fields.add("tid", track.rank)
      fields.add("ts", time)
      more(&fields)
      var arguments = JSONFields()
      arguments.add("step", event.step)
      fields.add("args", arguments)
      return fields.line
    }
    guard event.isUnderway else {
      return [line("X", at: start) { $0.add("dur", end - start) }]
    }
    // An asynchronous event is a pair, told apart from others of its name by its id.
    return [("b", start), ("e", end)].map { kind, time in
      line(kind, at: time) {
        $0.add("cat", "rank \(track.rank)")
        $0.add("id", "\(track.rank):\(event.step):\(event.name)")
      }
    }
  }

  /// To the nanosecond, so that ends and durations add up when they are read back.
  private static func microseconds(_ seconds: Double) -> Double {
    (seconds * 1e9).rounded() / 1e3
  }

  /// What the viewer calls the host and the rank.
  private static func names(_ track: TraceTrack, process: Int) -> [String] {
    let missing = track.dropped > 0 ? " (\(track.dropped) spans missing)" : ""
    return [("process_name", track.host), ("thread_name", "rank \(track.rank)\(missing)")].map {
      name, value in
      var fields = JSONFields()
      fields.add("name", name)
      fields.add("ph", "M")
      fields.add("pid", process)
      fields.add("tid", track.rank)
      var arguments = JSONFields()
      arguments.add("name", value)
      fields.add("args", arguments)
      return fields.line
    }
  }
}
