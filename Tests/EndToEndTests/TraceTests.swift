// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("The trace of a run")
struct TraceTests {
  let runs: TrainingRuns
  static let options = [
    "digits", "--layers", "96,64", "--slices", "3", "--steps", "30", "--checkpoint-every", "10",
  ]

  /// What a step consists of, in order.
  ///
  /// The next batch is gathered, and its statistics are computed, while gradients are exchanged; the
  /// first step gathers its own batch, too.
  static let phases = [
    "forward 0", "forward 1", "forward 2", "loss", "backward 2", "backward 1",
    "backward 0", "gather batch", "statistics ahead", "update",
  ]

  init() throws { runs = try TrainingRuns() }

  @Test(
    "A traced run records every phase of every step, and gives the bits of an untraced run",
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
      let steps = try trace.tree(rank: rank).filter { $0.event.name == "step" }
      #expect(steps.count == 20)
      for (number, step) in steps.enumerated() {
        let phases = (number == 0 ? ["gather batch"] : []) + Self.phases
        #expect(step.children.map(\.event.name) == phases, "rank \(rank), \(step.event)")
        #expect(step.children.allSatisfy { $0.event.args.step == step.event.args.step })
      }
    }
  }

  @Test(
    "A trace shows when each bucket of gradients is in flight between ranks that exchange messages",
    arguments: ["direct", "halving"])
  func buckets(schedule: String) throws {
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
      #expect(throws: Never.self) { try trace.tree(rank: rank) }
    }
  }

  @Test("Trace options that do not fit are refused before the run directory is created")
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
