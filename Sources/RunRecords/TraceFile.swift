// SPDX-License-Identifier: Apache-2.0
internal import Files

/// An activity with its time.
public struct TraceEvent: Equatable, Sendable {
  /// The activity, such as `forward 0`.
  public var name: String
  /// The step that it belongs to.
  public var step: Int
  /// Its start and end, in seconds on a clock that all tracks share.
  public var start, end: Double
  /// Whether it ran concurrently with the other activities of its rank.
  public var isAsynchronous: Bool

  /// Makes an event from its parts.
  public init(name: String, step: Int, start: Double, end: Double, isAsynchronous: Bool = false) {
    self.isAsynchronous = isAsynchronous
    self.name = name
    self.step = step
    self.start = start
    self.end = end
  }
}

/// The events of one rank; all but the asynchronous ones nest.
public struct TraceTrack: Equatable, Sendable {
  /// The rank.
  public var rank: Int
  /// The name of its host.
  public var host: String
  /// Its activities.
  public var events: [TraceEvent]
  /// The number of further events that were dropped for lack of room.
  public var dropped: Int

  /// Makes a track from its parts.
  public init(rank: Int, host: String, events: [TraceEvent], dropped: Int = 0) {
    self.rank = rank
    self.host = host
    self.events = events
    self.dropped = dropped
  }
}

/// A file in the Trace Event Format, which Perfetto and chrome://tracing open: a process is a host,
/// a thread is a rank, and asynchronous events have rows of their own.
///
/// Times in it are microseconds since the first event. The format:
/// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
public enum TraceFile {
  /// Writes all tracks; the file appears as a whole or not at all.
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
        // The format wants a span before those that it contains.
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
    guard event.isAsynchronous else {
      return [line("X", at: start) { $0.add("dur", end - start) }]
    }
    // An asynchronous event is a pair, which its id distinguishes from others of its name.
    return [("b", start), ("e", end)].map { kind, time in
      line(kind, at: time) {
        $0.add("cat", "rank \(track.rank)")
        $0.add("id", "\(track.rank):\(event.step):\(event.name)")
      }
    }
  }

  /// Rounded to nanoseconds, so that ends and durations add up when they are read back.
  private static func microseconds(_ seconds: Double) -> Double {
    (seconds * 1e9).rounded() / 1e3
  }

  /// The records that name the host and the rank in the viewer.
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
