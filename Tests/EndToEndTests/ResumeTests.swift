// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("Resuming a run")
struct ResumeTests {
  let runs: TrainingRuns
  static let options = [
    "digits", "--layers", "16", "--slices", "4", "--epochs", "4", "--checkpoint-every", "7",
  ]
  static let last = "checkpoints/step-000000048.safetensors"

  init() throws { runs = try TrainingRuns() }

  /// Reduces a finished run to what it would have if it had been killed between steps 21 and 28.
  func interrupt(_ name: String) throws {
    let folder = "\(runs.folder)/\(name)/checkpoints"
    for file in try FileManager.default.contentsOfDirectory(atPath: folder)
    where file > "step-000000021.safetensors" && file != "latest" {
      try FileManager.default.removeItem(atPath: "\(folder)/\(file)")
    }
    try FileManager.default.removeItem(atPath: "\(runs.folder)/\(name)/summary.json")
  }

  func resume(_ name: String, ranks: Int, _ more: [String] = []) throws -> CommandResult {
    try mpirun(
      ranks: ranks, productURL(named: "lockstep").path,
      ["train"] + Self.options + more + ["--run", "\(runs.folder)/\(name)", "--resume"])
  }

  @Test(
    "A run that is resumed on another number of ranks ends with the bytes of an uninterrupted run",
    arguments: [
      (4, 1, []), (1, 3, []), (2, 4, ["--exchange", "all-reduce"]),
      (3, 2, ["--optimizer", "sgd", "--momentum", "0.9"]),
      (3, 2, ["--optimizer", "lamb", "--weight-decay", "0.01", "--schedule", "one-cycle"]),
      (
        2, 3,
        [
          "--optimizer", "lars", "--momentum", "0.9", "--max-norm", "1.25", "--exchange-schedule",
          "halving", "--bucket-mb", "0.001",
        ]
      ),
      (1, 4, ["--optimizer", "rmsprop", "--momentum", "0.9", "--schedule", "exponential"]),
    ])
  func sameBits(before: Int, after: Int, options: [String]) throws {
    try runs.train("whole", ranks: 1, Self.options + options)
    try runs.train("cut", ranks: before, Self.options + options)
    try interrupt("cut")
    let result = try resume("cut", ranks: after, options)
    #expect(result.status == 0, "\(result.standardError)")
    #expect(result.standardError.contains("resuming after step 21"))
    for name in ["metrics.jsonl", Self.last] {
      #expect(try runs.file("cut", name) == runs.file("whole", name), "\(name)")
    }
    // The run was resumed after step 21, in the middle of an epoch of 12 steps.
    #expect(try results("cut") == results("whole"))
  }

  /// The entries of a summary that don't depend on times and ranks.
  func results(_ name: String) throws -> [Double] {
    let summary =
      try JSONSerialization.jsonObject(with: runs.file(name, "summary.json")) as? [String: Any]
    return try ["final_loss", "test_loss", "test_accuracy", "steps", "epochs"].map {
      try #require(summary?[$0] as? Double)
    }
  }

  @Test("Resuming skips a damaged checkpoint and reports it")
  func damaged() throws {
    try runs.train("whole", ranks: 1, Self.options)
    try runs.copy("whole", as: "cut")
    try interrupt("cut")
    let path = "\(runs.folder)/cut/checkpoints/step-000000021.safetensors"
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes[bytes.count - 9] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    let result = try resume("cut", ranks: 2)
    #expect(result.status == 0, "\(result.standardError)")
    #expect(result.standardError.contains("resuming after step 14"))
    #expect(result.standardError.contains("skipped a damaged checkpoint: "))
    #expect(try runs.file("cut", Self.last) == runs.file("whole", Self.last))
  }

  @Test("A new run continues from a checkpoint file of another run, for more epochs")
  func fromFile() throws {
    let longer = Self.options + ["--epochs", "6"]
    let file = "\(runs.folder)/short/\(Self.last)"
    try runs.train("long", ranks: 2, longer)
    try runs.train("short", ranks: 1, Self.options)
    try runs.train("more", ranks: 3, longer + ["--resume", file])
    let name = "checkpoints/step-000000072.safetensors"
    #expect(try runs.file("more", name) == runs.file("long", name))
  }

  @Test("A run keeps its newest checkpoints and the best one, also after it is resumed")
  func retention() throws {
    // The rate is so high that the held-out loss has its minimum early on.
    let more = ["--learning-rate", "0.2", "--checkpoint-every", "12", "--keep", "2"]
    try runs.train("r", ranks: 1, Self.options + more)
    let steps = { () -> [Int] in
      let names = try FileManager.default.contentsOfDirectory(
        atPath: "\(runs.folder)/r/checkpoints")
      return names.compactMap { Int($0.filter(\.isNumber)) }.sorted()
    }
    let losses = try String(decoding: runs.file("r", "metrics.jsonl"), as: UTF8.self)
      .split(separator: "\n").compactMap { line -> (step: Int, loss: Double)? in
        let fields = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        guard let loss = fields?["test_loss"] as? Double else { return nil }
        return (fields?["step"] as? Int ?? 0, loss)
      }
    let best = try #require(losses.min { $0.loss < $1.loss }).step
    #expect(try steps() == Set([best, 36, 48]).sorted())
    let result = try resume("r", ranks: 2, more + ["--epochs", "6"])
    #expect(result.status == 0, "\(result.standardError)")
    #expect(try steps().suffix(2) == [60, 72])
    #expect(try steps().count <= 3)
  }

  @Test("A run with local batch norm can only be resumed on the same number of ranks")
  func localBatchNorm() throws {
    let local = ["--batch-norm", "local"]
    try runs.train("whole", ranks: 2, Self.options + local)
    try runs.copy("whole", as: "r")
    try interrupt("r")
    let other = try resume("r", ranks: 1, local)
    #expect(other.status == 64, "\(other.standardError)")
    #expect(other.standardError.contains("was trained on 2 ranks, not 1; start the same number"))
    #expect(try resume("r", ranks: 2, local).status == 0)
    #expect(try runs.file("r", Self.last) == runs.file("whole", Self.last))
    let file = "\(runs.folder)/whole/checkpoints/step-000000021.safetensors"
    let fromFile = try mpirun(
      ranks: 4, productURL(named: "lockstep").path,
      ["train"] + Self.options + local + ["--run", "\(runs.folder)/f", "--resume", file])
    #expect(fromFile.status == 64, "\(fromFile.standardError)")
  }

  @Test("A resumed run may change its ranks, exchange, buckets, logging and checkpoint interval")
  func freeOptions() throws {
    try runs.train("whole", ranks: 1, Self.options)
    try runs.train("r", ranks: 4, Self.options)
    try interrupt("r")
    let result = try resume(
      "r", ranks: 3,
      [
        "--exchange", "all-reduce", "--exchange-schedule", "halving", "--bucket-mb", "0.01",
        "--log-every", "3", "--digest-every", "4", "--evaluate-every", "2", "--keep", "2",
        "--checkpoint-every", "5", "--wait-for-checkpoints",
      ])
    #expect(result.status == 0, "\(result.standardError)")
    #expect(try runs.file("r", Self.last) == runs.file("whole", Self.last))
  }

  @Test("Resuming is refused without an option that the run had, or with one that it didn't have")
  func optionalOptions() throws {
    let limit = ["--max-norm", "2"]
    try runs.train("with", ranks: 1, Self.options + limit)
    try runs.train("without", ranks: 1, Self.options)
    for (name, more, words) in [
      ("with", [], "--max-norm none (was 2.0)"), ("without", limit, "--max-norm 2.0 (was unset)"),
    ] {
      try interrupt(name)
      let result = try resume(name, ranks: 1, more)
      #expect(result.status == 64, "\(result.standardError)")
      #expect(result.standardError.contains(words), "\(result.standardError)")
    }
  }

  @Test("Resuming is refused with other options, with fewer steps, and without a run")
  func refused() throws {
    try runs.train("r", ranks: 1, Self.options)
    let metrics = try runs.file("r", "metrics.jsonl")
    let cases: [(Int, [String], Int32, String)] = [
      (1, ["--learning-rate", "0.5", "--seed", "7"], 64, "--learning-rate 0.5 (was 0.001)"),
      (1, ["--slices", "5"], 64, "--slices 5 (was 4)"),
      (1, ["--epochs", "1"], 64, "beyond the last of 12 steps"),
      (2, ["--overwrite"], 64, "mutually exclusive"),
    ]
    for (ranks, more, status, words) in cases {
      let result = try resume("r", ranks: ranks, more)
      #expect(result.status == status, "\(result.standardError)")
      #expect(result.standardError.contains(words), "\(result.standardError)")
      let own = result.standardError.split(separator: "\n").filter { $0.hasPrefix("lockstep") }
      #expect(own.count == 1, "\(result.standardError)")
    }
    #expect(try resume("nowhere", ranks: 1).status == 66)
    #expect(try runs.file("r", "metrics.jsonl") == metrics)
  }
}
