// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Coordination
import Failures
import Foundation
import NeuralCore
import RunRecords
import TestSupport
import Testing
import Training

@Suite("Early stopping and the best checkpoint")
struct EarlyStoppingTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A run of 4 steps per epoch whose held-out loss soon increases.
  func options(_ name: String, _ change: (inout TrainingOptions) -> Void = { _ in })
    -> TrainingOptions
  {
    var options = TrainingOptions()
    options.data = "synthetic:97x6x3"
    options.layers = [8]
    options.batch = 20
    options.epochs = 60
    options.learningRate = 0.03
    options.patience = 3
    options.logEvery = 1
    options.run = path(name)
    change(&options)
    return options
  }

  func path(_ name: String) -> String { "\(folder.path)/\(name)" }

  /// Trains, and returns the summary and the warnings.
  @discardableResult
  func train(_ options: TrainingOptions) throws -> (summary: RunSummary, warnings: [String]) {
    var warnings: [String] = []
    let summary = try TrainingLoop(
      options, group: SingleProcessGroup(), version: "test",
      observe: { if case .warned(let message) = $0 { warnings.append(message) } }
    ).run()
    return (summary, warnings)
  }

  func failure(_ options: TrainingOptions) -> Failure? {
    do {
      try train(options)
      return nil
    } catch {
      return error as? Failure
    }
  }

  func checkpoints(_ name: String) -> CheckpointFolder {
    CheckpointFolder(path: path("\(name)/checkpoints"))
  }

  func steps(_ name: String) throws -> [Int] { try checkpoints(name).entries().map(\.step) }

  func bytes(_ run: String, _ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: path("\(run)/\(name)")))
  }

  func checkpoint(_ run: String, _ step: Int) throws -> Data {
    try bytes(run, "checkpoints/" + CheckpointFolder.fileName(step: step))
  }

  /// The held-out losses by step.
  func losses(_ name: String) throws -> [(step: Int, loss: Double)] {
    try MetricsLog(path: path("\(name)/metrics.jsonl")).evaluations.map {
      ($0.step, $0.testLoss ?? .nan)
    }
  }

  @Test("A run stops after --patience evaluations without improvement, and names its best one")
  func stops() throws {
    let summary = try train(options("a")).summary
    #expect(try EvaluationRecord(path: path("a/evaluation.json")).step == summary.steps)
    let losses = try losses("a")
    let best = try #require(losses.min { $0.loss < $1.loss })
    #expect(summary.completed && summary.stoppedEarly == true && summary.monitor == .loss)
    #expect(summary.best == best.loss && summary.bestStep == best.step)
    #expect(best.step > 4 && summary.steps == best.step + 3 * 4 && summary.steps < 240)
    #expect(losses.last?.step == summary.steps && summary.testLoss == losses.last?.loss)
    #expect(try RunSummary(path: path("a/summary.json")).bestStep == best.step)
    // Checkpoints that were the best for a while are gone.
    #expect(try steps("a") == [0, best.step, summary.steps])
    #expect(try checkpoints("a").best()?.step == best.step)
    #expect(try checkpoints("a").latest()?.step == summary.steps)
  }

  @Test("A model is loaded from the best checkpoint of a run, and says how to get the last one")
  func loaded() throws {
    let summary = try train(options("a")).summary
    let last = checkpoints("a").path(step: summary.steps)
    var notices: [String] = []
    for name in ["a", "a/checkpoints", "a/checkpoints/best"] {
      let model = try LoadedModel(path: path(name)) { notices.append($0) }
      #expect(model.metadata.step == summary.bestStep)
    }
    #expect(notices.count == 2)
    #expect(
      notices.first?.contains("of step \(summary.bestStep ?? 0); for the last, name \(last)")
        == true)
    #expect(try LoadedModel(path: last).metadata.step == summary.steps)
    #expect(try LoadedModel(path: path("a/checkpoints/latest")).metadata.step == summary.steps)
    try FileManager.default.removeItem(atPath: checkpoints("a").path(step: summary.bestStep ?? 0))
    #expect(throws: CheckpointError.self) { try LoadedModel(path: path("a")) }
  }

  @Test("Without --patience, --monitor keeps the best checkpoint and trains to the end")
  func monitorOnly() throws {
    let summary = try train(
      options("a") {
        $0.patience = nil
        $0.monitor = .accuracy
        $0.epochs = 12
        $0.checkpointEvery = 10
      }
    ).summary
    let evaluations = try MetricsLog(path: path("a/metrics.jsonl")).evaluations
    // Of several equal values the first is the best.
    let best = try #require(
      evaluations.reversed().max { ($0.testAccuracy ?? 0) < ($1.testAccuracy ?? 0) })
    #expect(summary.steps == 48 && summary.stoppedEarly == false && summary.monitor == .accuracy)
    #expect(summary.best == best.testAccuracy)
    let first = evaluations.first { $0.testAccuracy == best.testAccuracy }
    #expect(summary.bestStep == first?.step)
    #expect(try checkpoints("a").best()?.step == summary.bestStep)
    #expect(try steps("a") == Set([0, 10, 20, 30, 40, 48, summary.bestStep ?? 0]).sorted())
    #expect(try !FileManager.default.fileExists(atPath: plain("b") + "/checkpoints/best"))
  }

  /// A run that monitors nothing.
  @discardableResult
  func plain(_ name: String, _ change: (inout TrainingOptions) -> Void = { _ in }) throws -> String
  {
    try train(
      options(name) {
        $0.patience = nil
        $0.epochs = 20
        change(&$0)
      })
    return path(name)
  }

  @Test(
    "Metrics of all outputs can be monitored, are logged, and a run ends with its evaluation.json")
  func outputsMetric() throws {
    for metric in [MetricName.auc, .f1, .logLoss] {
      let name = metric.rawValue
      let summary = try train(options(name) { $0.monitor = metric }).summary
      let evaluations = try MetricsLog(path: path("\(name)/metrics.jsonl")).evaluations
      let values = evaluations.compactMap { record in
        record.testMetrics.first { $0.metric == metric }?.value
      }
      #expect(values.count == evaluations.count && summary.stoppedEarly == true)
      let best = metric.isBetterHigher ? values.max() : values.min()
      #expect(summary.best == best && summary.monitor == metric)
      #expect(summary.bestStep == 4 * ((values.firstIndex { $0 == best } ?? 0) + 1))
      #expect(try EvaluationRecord(path: path("\(name)/evaluation.json")).step == summary.steps)
    }
  }

  @Test("--keep spares the best checkpoint, and those that were the best before are removed")
  func retention() throws {
    let summary = try train(
      options("a") {
        $0.keep = 2
        $0.checkpointEvery = 3
      }
    ).summary
    let best = try #require(summary.bestStep)
    let due = stride(from: 0, through: summary.steps, by: 3).map { $0 }
    let newest = Set(due + [best, summary.steps]).sorted().suffix(2)
    #expect(try steps("a") == Set(newest + [best]).sorted())
  }

  @Test("A run that stopped early and is resumed unchanged ends at once with the same result")
  func unchanged() throws {
    let before = try train(options("a")).summary
    let (metrics, last) = try (bytes("a", "metrics.jsonl"), checkpoint("a", before.steps))
    let after = try train(options("a") { $0.resume = .newest }).summary
    #expect(after.steps == before.steps && after.stoppedEarly == true)
    #expect(after.best == before.best && after.bestStep == before.bestStep)
    #expect(after.testLoss == before.testLoss && after.testAccuracy == before.testAccuracy)
    #expect(after.finalLoss == before.finalLoss && after.digest == before.digest)
    #expect(try bytes("a", "metrics.jsonl") == metrics && checkpoint("a", before.steps) == last)
    #expect(try checkpoints("a").best()?.step == before.bestStep)
  }

  @Test("With more patience a run continues after it stopped early, as if it had had it before")
  func morePatience() throws {
    let short = try train(options("short")).summary
    let patient = { (options: inout TrainingOptions) in options.patience = 12 }
    let long = try train(options("long", patient)).summary
    #expect(long.steps > short.steps)
    let resumed = try train(
      options("short") {
        patient(&$0)
        $0.resume = .newest
      }
    ).summary
    #expect(resumed.steps == long.steps && resumed.bestStep == long.bestStep)
    #expect(try bytes("short", "metrics.jsonl") == bytes("long", "metrics.jsonl"))
    #expect(try checkpoint("short", long.steps) == checkpoint("long", long.steps))
    #expect(try bytes("short", "checkpoints/best") == bytes("long", "checkpoints/best"))
    #expect(try Set(steps("short")) == Set(steps("long") + [short.steps]))
  }

  @Test("Resuming is refused with less patience, and with a monitor that the run did not have")
  func refusedResumption() throws {
    let steps = try train(options("a")).summary.steps
    let cases: [(String, (inout TrainingOptions) -> Void)] = [
      ("--patience 2 (was 3)", { $0.patience = 2 }),
      ("--monitor accuracy (was loss)", { $0.monitor = .accuracy }),
      ("--min-delta 0.01 (was 0.0)", { $0.minDelta = 0.01 }),
      ("--evaluate-every 2 (was 1)", { $0.evaluateEvery = 2 }),
      ("--schedule plateau (was constant)", { $0.schedule = .plateau }),
    ]
    for (words, change) in cases {
      let found = failure(
        options("a") {
          $0.resume = .newest
          change(&$0)
        })
      #expect(found?.status.rawValue == 64)
      #expect(found?.message.contains(words) == true, "\(found?.message ?? "")")
    }
    #expect(try checkpoints("a").latest()?.step == steps)
    try plain("b")
    let found = failure(
      options("b") {
        $0.epochs = 20
        $0.resume = .newest
      })
    #expect(found?.status.rawValue == 64)
    #expect(found?.message.contains("--patience 3: ") == true, "\(found?.message ?? "")")
  }

  @Test("Without patience a run that stopped early continues as one that monitors nothing")
  func noPatience() throws {
    try train(options("a"))
    try train(
      options("a") {
        $0.patience = nil
        $0.epochs = 20
        $0.resume = .newest
      })
    try plain("b")
    #expect(try bytes("a", "metrics.jsonl") == bytes("b", "metrics.jsonl"))
    #expect(try checkpoint("a", 80) == checkpoint("b", 80))
    #expect(!FileManager.default.fileExists(atPath: path("a/checkpoints/best")))
  }

  @Test("A run from a checkpoint file takes the best checkpoint along, which lies beside it")
  func fromFile() throws {
    let whole = try train(options("whole") { $0.checkpointEvery = 4 }).summary
    let best = try #require(whole.bestStep)
    let more = { (file: Int) in
      { (options: inout TrainingOptions) in
        options.checkpointEvery = 4
        options.resume = .file(checkpoints("whole").path(step: file))
      }
    }
    for (name, file) in [("at", best), ("after", best + 8)] {
      let (summary, warnings) = try train(options(name, more(file)))
      #expect(summary.steps == whole.steps && summary.bestStep == best && warnings.isEmpty)
      #expect(try checkpoints(name).best()?.step == best)
      #expect(try checkpoint(name, best) == checkpoint("whole", best))
      #expect(try checkpoint(name, whole.steps) == checkpoint("whole", whole.steps))
    }
    try FileManager.default.removeItem(atPath: checkpoints("whole").path(step: best))
    let (summary, warnings) = try train(options("lost", more(best + 8)))
    #expect(summary.bestStep == best && summary.steps == whole.steps)
    #expect(warnings.count == 1 && warnings[0].contains("of step \(best), can't be copied"))
    #expect(try checkpoints("lost").best() == nil)
  }

  @Test("A file best that a crash left behind is repaired when the run is resumed")
  func repaired() throws {
    let summary = try train(options("a") { $0.checkpointEvery = 1 }).summary
    for step in [nil, 1, 99] {
      let best = path("a/checkpoints/best")
      try FileManager.default.removeItem(atPath: best)
      if let step {
        try folder.write("a/checkpoints/best", CheckpointFolder.fileName(step: step) + "\n")
      }
      try train(
        options("a") {
          $0.checkpointEvery = 1
          $0.resume = .newest
        })
      #expect(try checkpoints("a").best()?.step == summary.bestStep)
    }
  }

  @Test("The end of a run within an epoch can be its best, without a trace in a longer run")
  func endWithinAnEpoch() throws {
    let length = { (steps: Int) in
      { (options: inout TrainingOptions) in
        (options.epochs, options.steps) = (nil, steps)
        options.learningRate = 0.005
      }
    }
    // The loss decreases for more than 22 steps.
    let short = try train(options("r", length(10))).summary
    #expect(short.bestStep == 10 && short.stoppedEarly == false)
    #expect(try steps("r") == [0, 8, 10] && checkpoints("r").best()?.step == 10)
    let again = try train(
      options("r") {
        length(10)(&$0)
        $0.resume = .newest
      }
    ).summary
    #expect(again.best == short.best && again.bestStep == 10 && again.testLoss == short.testLoss)
    #expect(try checkpoints("r").best()?.step == 10)
    let long = try train(options("long", length(22))).summary
    let extended = try train(
      options("r") {
        length(22)(&$0)
        $0.resume = .newest
      }
    ).summary
    #expect(extended.best == long.best && extended.bestStep == 22)
    #expect(try bytes("r", "metrics.jsonl") == bytes("long", "metrics.jsonl"))
    #expect(try checkpoint("r", 22) == checkpoint("long", 22))
    #expect(try Set(steps("r")) == Set(steps("long") + [10]))
  }

  @Test("The plateau schedule reduces the rate after evaluations without improvement, and resumes")
  func plateau() throws {
    let plateau = { (options: inout TrainingOptions) in
      options.patience = nil
      options.epochs = 25
      options.schedule = .plateau
      options.plateauPatience = 1
      options.decayFactor = 0.5
      options.minDelta = 0.05
      options.warmupSteps = 6
    }
    let summary = try train(options("a", plateau)).summary
    #expect(
      summary.monitor == nil && !FileManager.default.fileExists(atPath: path("a/checkpoints/best")))
    let log = try MetricsLog(path: path("a/metrics.jsonl"))
    var monitor = MetricMonitor(.loss, minimumDelta: 0.05, plateau: .init(factor: 0.5, patience: 1))
    var expected: [Double] = []
    for step in 0..<100 {
      if step > 0, step % 4 == 0 {
        monitor.observe(log.evaluations[step / 4 - 1].testLoss ?? .nan, afterStep: step)
      }
      expected.append(monitor.state.rateFactor * (step < 6 ? 0.03 * Double(step + 1) / 6 : 0.03))
    }
    #expect(log.steps.compactMap(\.learningRate) == expected)
    #expect(monitor.state.rateFactor < 0.3)
    // A run that is interrupted at a step after a reduction.
    let short = { (options: inout TrainingOptions) in
      plateau(&options)
      options.epochs = 14
    }
    try train(options("b", short))
    try train(
      options("b") {
        plateau(&$0)
        $0.resume = .newest
      })
    #expect(try bytes("a", "metrics.jsonl") == bytes("b", "metrics.jsonl"))
    #expect(try checkpoint("a", 100) == checkpoint("b", 100))
    let state = try Checkpoint(path: checkpoints("b").path(step: 56)).metadata.monitor
    #expect(try #require(state).rateFactor < 1)
  }

  @Test("A metric that does not fit the data, or no held-out rows, is refused before training")
  func refused() throws {
    let numbers = (0..<40).map { "\($0),\($0 % 7),\(Double($0) / 3)" }.joined(separator: "\n")
    let table = try folder.write("n.csv", numbers)
    let cases: [(String, (inout TrainingOptions) -> Void)] = [
      (
        "--monitor r2: is for numbers, and the target is classes; choose from loss, ",
        { $0.monitor = .r2 }
      ),
      (
        "--monitor accuracy: is for classes, and the target is numbers; choose from loss, ",
        {
          $0.data = table
          $0.monitor = .accuracy
        }
      ),
      ("--patience 3: requires held-out rows", { $0.validationSplit = 0 }),
      (
        "--monitor loss: requires held-out rows",
        {
          $0.validationSplit = 0
          ($0.patience, $0.monitor) = (nil, .loss)
        }
      ),
      (
        "--schedule plateau: requires held-out rows",
        {
          $0.validationSplit = 0
          ($0.patience, $0.schedule) = (nil, .plateau)
        }
      ),
    ]
    for (words, change) in cases {
      let found = failure(options("x", change))
      #expect(found?.status.rawValue == 64)
      #expect(found?.message.hasPrefix(words) == true, "\(found?.message ?? "none")")
      #expect(!FileManager.default.fileExists(atPath: path("x")))
    }
    for metric in [MetricName.loss, .mse, .rmse, .mae, .r2] {
      let summary = try train(
        options(metric.rawValue) {
          $0.data = table
          $0.monitor = metric
          $0.epochs = 6
        }
      ).summary
      let log = try MetricsLog(path: path("\(metric.rawValue)/metrics.jsonl"))
      let values = log.evaluations.compactMap { record -> Double? in
        switch metric {
        case .mse: record.testScores?.meanSquaredError
        case .rmse: record.testScores?.rootMeanSquaredError
        case .mae: record.testScores?.meanAbsoluteError
        case .r2: record.testScores?.r2
        default: record.testLoss
        }
      }
      #expect(summary.best == (metric == .r2 ? values.max() : values.min()), "\(metric)")
    }
  }
}
