// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Coordination
import Datasets
import Failures
import Foundation
import NeuralCore
import RunRecords
import TestSupport
import Testing
import Training

@Suite("Training runs")
struct TrainerTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  func options(_ name: String, _ change: (inout TrainingOptions) -> Void = { _ in })
    -> TrainingOptions
  {
    var options = TrainingOptions()
    options.data = "synthetic:97x6x3"
    options.layers = [8]
    options.batch = 20
    options.epochs = 3
    options.logEvery = 1
    options.run = "\(folder.path)/\(name)"
    change(&options)
    return options
  }

  @discardableResult
  func train(_ options: TrainingOptions) throws -> RunSummary {
    try TrainingLoop(options, group: SingleProcessGroup(), version: "test").run()
  }

  func failure(_ options: TrainingOptions) -> Failure? {
    do {
      try train(options)
      return nil
    } catch {
      return error as? Failure
    }
  }

  @Test("A repeated run writes the same metrics and checkpoints, and one with other slices others")
  func repeatable() throws {
    for (name, slices) in [("a", 4), ("b", 4), ("c", 3)] {
      try train(options(name) { $0.slices = slices })
    }
    #expect(try folder.text(of: "a/metrics.jsonl") == folder.text(of: "b/metrics.jsonl"))
    #expect(try folder.text(of: "a/metrics.jsonl") != folder.text(of: "c/metrics.jsonl"))
    let files = ["a", "b"].map { name in
      FileManager.default.contents(
        atPath: "\(folder.path)/\(name)/checkpoints/step-000000012.safetensors")
    }
    #expect(files[0] != nil && files[0] == files[1])
  }

  @Test("A run has the steps, epochs and log lines that data and options imply")
  func counts() throws {
    // 78 rows are trained on: batches of 20, 20, 20 and 18.
    let summary = try train(options("a"))
    #expect(summary.steps == 12 && summary.epochs == 3 && summary.completed)
    let lines = try folder.text(of: "a/metrics.jsonl").split(separator: "\n")
    #expect(lines.count == 15)
    #expect(lines.filter { $0.contains("test_accuracy") }.count == 3)
    #expect(lines.filter { $0.contains("\"digest\"") }.count == 12)
    let dropped = try train(options("b") { $0.dropLast = true })
    #expect(dropped.steps == 9)
    let some = try train(
      options("c") {
        $0.epochs = nil
        $0.steps = 5
        $0.logEvery = 2
      })
    #expect(some.steps == 5 && some.epochs == 2)
    #expect(try folder.text(of: "c/metrics.jsonl").split(separator: "\n").count == 6)
  }

  @Test(
    "The last checkpoint gives the final evaluation, and the one of step 0 the initial weights"
  )
  func reload() throws {
    let summary = try train(options("a"))
    let model = try LoadedModel(path: "\(folder.path)/a")
    #expect(model.metadata.step == 12 && model.metadata.epoch == 3)
    #expect(model.network.store.digest().description == summary.digest)
    let data = try Dataset.load(.synthetic(rows: 97, features: 6, classes: 3, seed: 0)).training
    let rows = DataSplit.split(rows: 97, fraction: 0.2, seed: 0).heldOut
    let totals = try Evaluator(model.network, data, rows: rows).run()
    #expect(totals.loss == summary.testLoss && totals.accuracy == summary.testAccuracy)
    let first = try LoadedModel(path: "\(folder.path)/a/checkpoints/step-000000000.safetensors")
    let fresh = try first.description.makeNetwork(seed: 0)
    #expect(first.network.store.digest() == fresh.store.digest())
  }

  @Test("Evaluation counts the same correct predictions with any batch size")
  func evaluation() throws {
    try train(options("a"))
    let model = try LoadedModel(path: "\(folder.path)/a")
    let data = try Dataset.load(.synthetic(rows: 97, features: 6, classes: 3, seed: 0)).training
    let rows = Array(Int32(0)..<97)
    let whole = try Evaluator(model.network, data, rows: rows).run()
    var correct = 0
    for row in rows {
      let one = try Evaluator(model.network, data, rows: [row]).run()
      #expect(one.accuracy == 0 || one.accuracy == 1)
      correct += Int(one.accuracy)
    }
    #expect(whole.rows == 97 && whole.accuracy == Double(correct) / 97)
    let parts = try Evaluator(model.network, data, rows: rows, batchRows: 10).run()
    #expect(parts.accuracy == whole.accuracy && abs(parts.loss - whole.loss) < 1e-6)
  }

  @Test(
    "A run trains with batches larger than the data, batches of one row, and fewer rows than slices"
  )
  func odd() throws {
    #expect(try train(options("a") { $0.batch = 1000 }).steps == 3)
    #expect(
      try train(
        options("b") {
          $0.batch = 1
          $0.batchNorm = .off
          $0.slices = 5
        }
      ).steps == 234)
    #expect(try train(options("c") { $0.validationSplit = 0 }).testLoss == nil)
  }

  @Test("Batch norm with a single row for training is refused before training")
  func singleRow() throws {
    let single = { (options: inout TrainingOptions) in
      options.data = "synthetic:1x6x3"
      options.validationSplit = 0
    }
    let found = try #require(failure(options("a", single)))
    #expect(found.status.rawValue == 65)
    #expect(found.message.contains("batch norm needs at least two rows for training"))
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/a"))
    let plain = try train(
      options("b") {
        single(&$0)
        $0.batchNorm = .off
      })
    #expect(plain.completed)
  }

  @Test("The training loss of summary and progress is the mean over the epoch's rows so far")
  func epochLoss() throws {
    // 78 rows are trained on: batches of 20, 20, 20 and 18.
    let rows = [20.0, 20, 20, 18]
    for steps in [12, 10] {
      var shown: [Double] = []
      let summary = try TrainingLoop(
        options("\(steps)") {
          $0.epochs = nil
          $0.steps = steps
        }, group: SingleProcessGroup(), version: "test",
        observe: { if case .progress(let progress) = $0 { shown.append(progress.loss) } }
      ).run()
      let losses = try MetricsLog(path: "\(folder.path)/\(steps)/metrics.jsonl").steps
        .compactMap(\.loss)
      #expect(losses.count == steps)
      let expected = losses.indices.map { step in
        let epoch = step - step % 4...step
        return epoch.map { losses[$0] * rows[$0 % 4] }.reduce(0, +)
          / epoch.map { rows[$0 % 4] }.reduce(0, +)
      }
      #expect(shown == expected)
      #expect(summary.finalLoss == expected.last)
    }
  }

  @Test("A run that is resumed within an epoch has the summary of an uninterrupted one")
  func resumedEpochLoss() throws {
    let whole = try train(options("whole") { $0.checkpointEvery = 5 })
    let file = "\(folder.path)/whole/checkpoints/step-000000010.safetensors"
    let rest = try train(options("rest") { $0.resume = .file(file) })
    #expect(rest.finalLoss == whole.finalLoss && rest.digest == whole.digest)
    let last = "\(folder.path)/whole/checkpoints/step-000000012.safetensors"
    let nothing = try train(options("nothing") { $0.resume = .file(last) })
    #expect(nothing.finalLoss == whole.finalLoss)
  }

  @Test(
    "A checkpoint from before running statistics averaged the first batches keeps to its own rule")
  func plainMomentum() throws {
    // Tests/Reference/plain-momentum/README.md has the program's version and options.
    let digest = "119798146537968092e9b94a0ff15db4"
    let old = packagePath("Tests/Reference/plain-momentum/step-000000010.safetensors")
    let change = { (checkpoint: String) in
      { (options: inout TrainingOptions) in
        options.data = "digits"
        options.layers = [4]
        options.batch = 128
        options.slices = 4
        options.seed = 5
        options.learningRate = 0.005
        options.checkpointEvery = 10
        options.resume = .file(checkpoint)
      }
    }
    let resumed = try train(options("a", change(old)))
    #expect(resumed.digest == digest)
    let model = try LoadedModel(path: "\(folder.path)/a")
    #expect(!model.description.batchNormAveraging)
    let later = "\(folder.path)/a/checkpoints/step-000000020.safetensors"
    #expect(try train(options("b", change(later))).digest == digest)
    #expect(
      try train(
        options("c") {
          change(old)(&$0); $0.resume = nil
        }
      ).digest != digest)
    #expect(try LoadedModel(path: "\(folder.path)/c").description.batchNormAveraging)
    // The mean is that of the epoch, which began after the old checkpoint.
    let losses = try MetricsLog(path: "\(folder.path)/a/metrics.jsonl").steps.suffix(12)
    let sum = losses.reduce(0) { $0 + ($1.loss ?? .nan) * ($1.step < 36 ? 128 : 30) }
    #expect(resumed.finalLoss == sum / 1438)
  }

  @Test("The mse loss fits numeric targets, and classes as one-hot rows")
  func meanSquaredError() throws {
    let rows = (0..<60).map { "\(Double($0) / 10),\(Double($0 % 7)),\(Double($0) / 5 + 1)" }
    let path = try folder.write("n.csv", rows.joined(separator: "\n"))
    let fit = try train(
      options("a") {
        $0.data = path
        $0.loss = .meanSquaredError
        $0.learningRate = 0.02
        $0.epochs = 100
      })
    #expect(fit.testAccuracy == nil)
    #expect((fit.testLoss ?? 100) < 1)
    #expect(try train(options("b") { $0.loss = .meanSquaredError }).testAccuracy != nil)
    #expect(failure(options("c") { $0.data = path })?.status == nil)
  }

  @Test(
    "A non-finite loss ends the run, names step and layer, and keeps the last finite weights"
  )
  func divergence() throws {
    let found = try #require(
      failure(
        options("a") {
          $0.optimizer = .sgd
          $0.learningRate = 1e30
        }))
    #expect(found.status.rawValue == 78)
    for part in ["step 2:", "layers.", "--learning-rate", "step-000000001.safetensors"] {
      #expect(found.message.contains(part), "\(part) in: \(found.message)")
    }
    let model = try LoadedModel(path: "\(folder.path)/a")
    #expect(model.metadata.step == 1)
    let store = model.network.store
    #expect(!store.parameters.elements.contains { !$0.isFinite })
    #expect(!store.statistics.elements.contains { !$0.isFinite })
  }

  @Test("Data whose squares overflow Float32 are named as the cause of a non-finite loss")
  func hugeData() throws {
    let rows = (0..<40).map { "\($0 % 2 == 0 ? "" : "-")1e38,\($0),\($0 % 2)" }
    let path = try folder.write("huge.csv", rows.joined(separator: "\n"))
    let found = try #require(failure(options("a") { $0.data = path }))
    #expect(found.status.rawValue == 78)
    #expect(found.message.contains("step 1:") && found.message.contains("scale them down"))
  }

  @Test(
    "An existing run directory is kept without --overwrite, which replaces only run directories")
  func existing() throws {
    try train(options("a"))
    let before = try folder.text(of: "a/metrics.jsonl")
    #expect(failure(options("a") { $0.seed = 5 })?.status.rawValue == 73)
    #expect(try folder.text(of: "a/metrics.jsonl") == before)
    try train(
      options("a") {
        $0.seed = 5
        $0.overwrite = true
      })
    #expect(try folder.text(of: "a/metrics.jsonl") != before)
    let other = try folder.write("precious.txt", "keep me")
    let refused = failure(
      options("x") {
        $0.run = folder.path
        $0.overwrite = true
      })
    #expect(refused?.status.rawValue == 73)
    let file = failure(
      options("x") {
        $0.run = other
        $0.overwrite = true
      })
    #expect(file?.status.rawValue == 73)
    #expect(try folder.text(of: "precious.txt") == "keep me")
  }

  @Test("A run that can't start leaves no directory behind")
  func nothingLeft() throws {
    let found = failure(options("a") { $0.data = "\(folder.path)/no.csv" })
    #expect(found?.status.rawValue == 66)
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/a"))
    #expect(failure(options("a") { $0.run = "/proc/no/such" })?.status.rawValue == 73)
  }
}
