// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// What a `trace.json` holds.
package struct RecordedTrace {
  package struct Event: Decodable {
    package struct Arguments: Decodable {
      package let name: String?
      package let step: Int?
    }
    package let name: String
    package let ph: String
    package let pid: Int
    package let tid: Int
    package let ts: Double?
    package let dur: Double?
    package let args: Arguments
    package var start: Double { ts ?? 0 }
    package var end: Double { start + (dur ?? 0) }
  }
  private struct Page: Decodable { let traceEvents: [Event] }
  package let events: [Event]

  package init(_ data: Data) throws {
    events = try JSONDecoder().decode(Page.self, from: data).traceEvents
  }

  package var ranks: [String] { names("thread_name") }
  package var hosts: [String] { names("process_name") }

  private func names(_ kind: String) -> [String] {
    events.filter { $0.ph == "M" && $0.name == kind }.compactMap(\.args.name)
  }

  /// The spans of a rank; what holds others comes before them.
  package func spans(rank: Int) -> [Event] { events.filter { $0.ph == "X" && $0.tid == rank } }

  /// Whether no span of a rank ends after the one that it begins in.
  package func nests(rank: Int) -> Bool {
    var open: [Event] = []
    for span in spans(rank: rank) {
      while let last = open.last, last.end <= span.start { open.removeLast() }
      // Times are rounded to nanoseconds.
      if let last = open.last, span.end > last.end + 0.002 { return false }
      open.append(span)
    }
    return true
  }

  /// The share of a rank's steps that parts of a step cover.
  package func coverage(rank: Int) -> Double {
    let spans = spans(rank: rank)
    let steps = spans.filter { $0.name == "step" }
    let parts = spans.filter {
      ["gather batch", "loss", "update"].contains($0.name)
        || $0.name.hasPrefix("forward") || $0.name.hasPrefix("backward")
    }
    return parts.reduce(0) { $0 + ($1.dur ?? 0) } / steps.reduce(0) { $0 + ($1.dur ?? 0) }
  }
}
