// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite("Early stopping on several ranks")
struct EarlyStoppingRunTests {
  let runs: TrainingRuns
  /// The held-out loss of this run soon increases, and the learning rate is reduced before it stops.
  static let options = [
    "digits", "--layers", "16", "--slices", "7", "--epochs", "60", "--learning-rate", "0.03",
    "--schedule", "plateau", "--plateau-patience", "1", "--decay-factor", "0.5", "--warmup-steps",
    "5", "--patience", "4",
  ]

  init() throws { runs = try TrainingRuns() }

  private func checkpoints(_ name: String) -> CheckpointFolder {
    CheckpointFolder(path: "\(runs.folder)/\(name)/checkpoints")
  }

  private func summary(_ name: String) throws -> [String: Any] {
    let object = try JSONSerialization.jsonObject(with: runs.file(name, "summary.json"))
    return try #require(object as? [String: Any])
  }

  /// Expects a run to have the metrics and checkpoints of another, byte for byte.
  private func expectEqual(_ name: String, _ other: String) throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: checkpoints(other).path)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: checkpoints(name).path).sorted()
        == files.sorted(), "\(name)")
    for file in files.map({ "checkpoints/\($0)" }) + ["metrics.jsonl"] {
      #expect(try runs.file(name, file) == runs.file(other, file), "\(name): \(file)")
    }
  }

  @Test(
    "A run stops at the same step with the same bits on 1, 2, 3, 4 and 7 ranks, in both exchanges")
  func ranks() throws {
    try runs.train("one", ranks: 1, Self.options)
    let one = try summary("one")
    #expect(one["stopped_early"] as? Bool == true && one["completed"] as? Bool == true)
    let best = try #require(one["best_step"] as? Int)
    #expect(try checkpoints("one").entries().map(\.step) == [0, best, one["steps"] as? Int ?? 0])
    // 12 steps per epoch: the rate was reduced twice before the fourth evaluation after the best.
    let rates = try rates("one")
    #expect(rates.contains(0.015) && rates.contains(0.03) && rates.contains(0.03 / 5))
    for ranks in [1, 2, 3, 4, 7] {
      for mode in ["sharded", "all-reduce"] where ranks > 1 || mode == "all-reduce" {
        let name = "\(mode)\(ranks)"
        try runs.train(name, ranks: ranks, Self.options + ["--exchange", mode])
        try expectEqual(name, "one")
        for key in ["best", "best_step", "steps", "test_loss"] {
          #expect(try summary(name)[key] as? Double == one[key] as? Double, "\(name): \(key)")
        }
      }
    }
  }

  /// The learning rates that a run has logged.
  private func rates(_ name: String) throws -> Set<Double> {
    let lines = try String(decoding: runs.file(name, "metrics.jsonl"), as: UTF8.self)
      .split(separator: "\n")
    return try Set(
      lines.compactMap {
        let record = try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        return record?["learning_rate"] as? Double
      })
  }

  @Test("A run that is killed and resumed on other ranks stops at the same step with the same bits")
  func killed() throws {
    let more = ["--checkpoint-every", "5", "--log-every", "1"]
    try runs.train("whole", ranks: 1, Self.options + more)
    let binary = try productURL(named: "lockstep").path
    let arguments = ["train"] + Self.options + more + ["--run", "\(runs.folder)/r", "--quiet"]
    // Writing a checkpoint takes about 20 calls, naming it the best one 6: between these points the
    // run does a few evaluations, and is killed in the middle of one or the other.
    for (index, point) in [90, 131, 60, 77, 121, 54, 83].enumerated() {
      let result = try mpirun(
        ranks: [1, 3, 2, 4][index % 4], binary, arguments + (index == 0 ? [] : ["--resume"]),
        environment: ["LOCKSTEP_TEST_KILL_WRITE": "\(point)"], options: ["--quiet"])
      // The last ones may reach the end before they are killed.
      if result.status == 0 { break }
      #expect(result.status == 137, "point \(point): \(result.standardError)")
      #expect(try checkpoints("r").newestIntact().checkpoint != nil)
    }
    let end = try mpirun(ranks: 2, binary, arguments + ["--resume"])
    #expect(end.status == 0, "\(end.standardError)")
    for file in ["metrics.jsonl", "checkpoints/best", "checkpoints/latest"] {
      #expect(try runs.file("r", file) == runs.file("whole", file), "\(file)")
    }
    let best = try #require(try checkpoints("r").best())
    #expect(try summary("whole")["best_step"] as? Int == best.step)
    for entry in try checkpoints("whole").entries() {
      let file = "checkpoints/\(CheckpointFolder.fileName(step: entry.step))"
      #expect(try runs.file("r", file) == runs.file("whole", file), "\(file)")
    }
  }

  @Test("A run that is killed anywhere around its best checkpoint names the right one when resumed")
  func killedAtBest() throws {
    let short = ["digits", "--layers", "4", "--slices", "2", "--epochs", "3", "--patience", "5"]
    try runs.train("whole", ranks: 1, short)
    let binary = try productURL(named: "lockstep").path
    // Steps 12 and 24 are the best ones so far. The run is killed while the first is published, and at
    // each call from the end of the second checkpoint to the removal of the first.
    for point in [80, 88] + Array(126...139) {
      let arguments = ["train"] + short + ["--run", "\(runs.folder)/\(point)", "--quiet"]
      let killed = try run(
        binary, arguments, environment: ["LOCKSTEP_TEST_KILL_WRITE": "\(point)"])
      #expect(killed.status == 137, "point \(point)")
      let folder = checkpoints("\(point)")
      // What best names is there at any time.
      _ = try folder.best()
      let resumed = try run(binary, arguments + ["--resume"])
      #expect(resumed.status == 0, "point \(point): \(resumed.standardError)")
      #expect(try runs.file("\(point)", "metrics.jsonl") == runs.file("whole", "metrics.jsonl"))
      #expect(try folder.best()?.step == checkpoints("whole").best()?.step, "point \(point)")
    }
  }

  @Test("predict, evaluate and inspect take the best checkpoint of a run, and say so on one line")
  func best() throws {
    try runs.train("r", ranks: 2, Self.options)
    let binary = try productURL(named: "lockstep").path
    let best = try #require(try checkpoints("r").best())
    let last = try #require(try checkpoints("r").entries().last)
    for command in ["predict", "evaluate", "inspect"] {
      let data = command == "inspect" ? [] : ["digits"]
      let result = { try run(binary, [command, $0] + data) }
      let (ofRun, ofBest) = try (result("\(runs.folder)/r"), result(best.path))
      #expect(ofRun.status == 0 && ofRun.standardOutput == ofBest.standardOutput, "\(command)")
      #expect(try result(last.path).standardOutput != ofBest.standardOutput, "\(command)")
      #expect(
        ofRun.standardError
          == "lockstep: note: the best checkpoint is used, of step \(best.step); for the last, name "
          + last.path + "\n")
      #expect(ofBest.standardError.isEmpty, "\(command)")
    }
    let ranks = try mpirun(ranks: 2, binary, ["evaluate", "\(runs.folder)/r", "digits"])
    #expect(ranks.standardError.split(separator: "\n").filter { $0.contains("best") }.count == 1)
    for (content, words) in [
      (
        "step-1\n",
        "'\(runs.folder)/r/checkpoints/best' can't be used: it does not name a checkpoint"
      ),
      ("step-000000001.safetensors\n", "it names step-000000001.safetensors, which does not exist"),
    ] {
      try Data(content.utf8).write(
        to: URL(fileURLWithPath: "\(runs.folder)/r/checkpoints/best"))
      let result = try run(binary, ["predict", "\(runs.folder)/r", "digits"])
      #expect(result.status == 65 && result.standardOutput.isEmpty)
      #expect(result.standardError.contains(words), "\(result.standardError)")
      #expect(result.standardError.split(separator: "\n").count == 1)
    }
  }

  @Test("A run that stops early says after which epoch and why, and reports mention it")
  func messages() throws {
    let binary = try productURL(named: "lockstep").path
    let result = try run(binary, ["train"] + Self.options + ["--run", "\(runs.folder)/r"])
    #expect(result.status == 0)
    let summary = try summary("r")
    let (steps, best) = try (
      #require(summary["steps"] as? Int), #require(summary["best_step"] as? Int)
    )
    let value = String(format: "%.4f", try #require(summary["best"] as? Double))
    let lines = result.standardError.split(separator: "\n")
    let line = try #require(lines.first { $0.hasPrefix("stopped early after epoch ") })
    #expect(
      line.hasPrefix(
        "stopped early after epoch \(steps / 12): loss has not improved since epoch \(best / 12) ("
          + value.dropLast()), "\(line)")
    #expect(line.hasSuffix("; checkpoints/best is step \(best)"), "\(line)")
    #expect(result.standardError.contains("Training stopped early.\n"))
    #expect(result.standardError.contains("\n  best weights  "))
    #expect(result.standardError.hasSuffix(" \(runs.folder)/r/checkpoints/best\n"))
    let report = try run(
      binary, ["report", "\(runs.folder)/r", "-o", "\(runs.folder)/report.html"])
    #expect(report.status == 0, "\(report.standardError)")
    let page = try String(contentsOfFile: "\(runs.folder)/report.html", encoding: .utf8)
    #expect(page.contains("stopped early after step \(steps): the best loss is "))
    #expect(!page.contains("interrupted"))
    try runs.copy("r", as: "s")
    #expect(try run(binary, ["compare", "\(runs.folder)/r", "\(runs.folder)/s"]).status == 0)
  }
}
