// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// What a `trace.json` holds.
struct RecordedTrace {
  struct Event: Decodable {
    struct Arguments: Decodable {
      let name: String?
      let step: Int?
    }
    let name: String
    let ph: String
    let pid: Int
    let tid: Int
    let ts: Double?
    let dur: Double?
    let args: Arguments
    var start: Double { ts ?? 0 }
    var end: Double { start + (dur ?? 0) }
  }
  private struct Page: Decodable { let traceEvents: [Event] }
  let events: [Event]

  init(_ data: Data) throws {
    events = try JSONDecoder().decode(Page.self, from: data).traceEvents
  }

  var ranks: [String] { names("thread_name") }
  var hosts: [String] { names("process_name") }

  private func names(_ kind: String) -> [String] {
    events.filter { $0.ph == "M" && $0.name == kind }.compactMap(\.args.name)
  }

  /// The spans of a rank; what holds others comes before them.
  func spans(rank: Int) -> [Event] { events.filter { $0.ph == "X" && $0.tid == rank } }

  /// Whether no span of a rank ends after the one that it begins in.
  func nests(rank: Int) -> Bool {
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
  func coverage(rank: Int) -> Double {
    let spans = spans(rank: rank)
    let steps = spans.filter { $0.name == "step" }
    let parts = spans.filter {
      ["gather batch", "loss", "update"].contains($0.name)
        || $0.name.hasPrefix("forward") || $0.name.hasPrefix("backward")
    }
    return parts.reduce(0) { $0 + ($1.dur ?? 0) } / steps.reduce(0) { $0 + ($1.dur ?? 0) }
  }
}

@Suite("A traced run")
struct TraceTests {
  let runs: Runs
  static let options = [
    "digits", "--layers", "96,64", "--slices", "3", "--steps", "30", "--checkpoint-every", "10",
  ]

  init() throws { runs = try Runs() }

  @Test(
    "has nested spans of all ranks that cover the steps, and the bits of one that isn't traced",
    arguments: [1, 3])
  func spans(ranks: Int) throws {
    try runs.train("traced", ranks: ranks, Self.options + ["--trace", "--trace-steps", "20"])
    try runs.train("plain", ranks: ranks, Self.options)
    for name in ["metrics.jsonl", "checkpoints/step-000000030.safetensors"] {
      #expect(try runs.file("traced", name) == runs.file("plain", name), "\(name)")
    }
    #expect(throws: (any Error).self) { try runs.file("plain", "trace.json") }
    let trace = try RecordedTrace(runs.file("traced", "trace.json"))
    #expect(trace.ranks == (0..<ranks).map { "rank \($0)" })
    for rank in 0..<ranks {
      let spans = trace.spans(rank: rank)
      #expect(spans.filter { $0.name == "step" }.compactMap(\.args.step) == Array(1...20))
      let names = Set(spans.map(\.name))
      let local = [
        "gather batch", "forward 0", "forward 2", "loss", "backward 2", "backward 0", "update",
        "digest", "checkpoint", "evaluation",
      ]
      let shared = [
        "statistics wait", "sums wait", "exchange", "gradient norm", "optimizer",
        "parameter gather",
      ]
      #expect(names.isSuperset(of: ranks == 1 ? local : local + shared), "\(names)")
      #expect(trace.nests(rank: rank))
      #expect(trace.coverage(rank: rank) > 0.8)
      #expect(trace.coverage(rank: rank) <= 1.001)
    }
  }

  @Test(
    "A trace shows gradients in flight between ranks that exchange messages",
    arguments: ["direct", "halving"])
  func inFlight(schedule: String) throws {
    try runs.train(
      "traced", ranks: 3,
      Self.options + ["--trace", "--trace-steps", "20", "--transport", "messages"]
        + ["--exchange-schedule", schedule, "--bucket-mb", "0.02"])
    let trace = try RecordedTrace(runs.file("traced", "trace.json"))
    for rank in 0..<3 {
      let own = trace.events.filter { $0.tid == rank }
      let (begins, ends) = (own.filter { $0.ph == "b" }, own.filter { $0.ph == "e" })
      #expect(begins.count == ends.count)
      #expect(Set(begins.compactMap(\.args.step)) == Set(1...20))
      #expect(Set(begins.map(\.name)).isSuperset(of: ["bucket 0 in flight", "bucket 1 in flight"]))
      for (begin, end) in zip(begins, ends) {
        #expect(begin.name == end.name && begin.args.step == end.args.step)
        #expect(begin.start <= end.start)
      }
      #expect(trace.nests(rank: rank))
    }
  }

  @Test("that is wrongly asked for is refused")
  func usage() throws {
    for wrong in [["--trace-steps", "5"], ["--trace", "--trace-steps", "0"]] {
      let result = try mpirun(
        ranks: 1, productURL(named: "lockstep").path,
        ["train"] + Self.options + wrong + ["--run", "\(runs.folder)/wrong"])
      #expect(result.status == 64)
      #expect(result.standardError.hasPrefix("lockstep: --trace-steps"), "\(result.standardError)")
      #expect(!FileManager.default.fileExists(atPath: "\(runs.folder)/wrong"))
    }
  }
}
