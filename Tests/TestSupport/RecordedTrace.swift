// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// The content of a `trace.json`, in Chrome's trace event format.
package struct RecordedTrace {
  /// One event, with the format's own names.
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

    /// Microseconds.
    package var start: Double { ts ?? 0 }
    package var end: Double { start + (dur ?? 0) }
  }

  /// A span, and those that begin in it.
  package struct Span {
    package let event: Event
    package fileprivate(set) var children: [Span] = []
  }

  /// A span that ends after the one that it begins in.
  package struct Overlap: Error {
    package let inner, outer: Event
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

  /// The spans of a rank, in the order of their begins.
  package func spans(rank: Int) -> [Event] { events.filter { $0.ph == "X" && $0.tid == rank } }

  /// The spans of a rank that are in no other span.
  ///
  /// - Throws: ``Overlap`` if spans do not nest.
  package func tree(rank: Int) throws -> [Span] {
    var open: [Span] = []
    var roots: [Span] = []
    func close() {
      guard let last = open.popLast() else { return }
      if let parent = open.indices.last {
        open[parent].children.append(last)
      } else {
        roots.append(last)
      }
    }
    for event in spans(rank: rank) {
      while let last = open.last, last.event.end <= event.start { close() }
      // Times are rounded to nanoseconds.
      if let last = open.last, event.end > last.event.end + 0.002 {
        throw Overlap(inner: event, outer: last.event)
      }
      open.append(Span(event: event))
    }
    while !open.isEmpty { close() }
    return roots
  }
}
