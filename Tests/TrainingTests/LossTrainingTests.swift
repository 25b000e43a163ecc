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

@Suite("Training with each loss function")
struct LossTrainingTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  func options(_ data: String, _ loss: LossName?, _ change: (inout TrainingOptions) -> Void)
    -> TrainingOptions
  {
    var options = TrainingOptions()
    options.data = data
    options.loss = loss
    options.layers = [16]
    options.batch = 50
    options.epochs = 40
    options.slices = 4
    options.learningRate = 0.01
    options.run = "\(folder.path)/run"
    options.overwrite = true
    change(&options)
    return options
  }

  @discardableResult
  func train(
    _ data: String, _ loss: LossName?, _ change: (inout TrainingOptions) -> Void = { _ in }
  ) throws -> (summary: RunSummary, model: LoadedModel) {
    let options = options(data, loss, change)
    let summary = try TrainingLoop(options, group: SingleProcessGroup(), version: "test").run()
    return (summary, try LoadedModel(path: "\(folder.path)/run"))
  }

  /// What `predict` gives for a table, by rows.
  func predict(_ model: LoadedModel, _ data: String) throws -> [[Float]] {
    var rows: [[Float]] = []
    try Predictor(model, data, TableOptions(), passing: []).run { outputs, _ in
      for row in 0..<outputs.rows {
        rows.append(Array(UnsafeBufferPointer(start: outputs.row(row), count: outputs.columns)))
      }
    }
    return rows
  }

  /// What `evaluate` finds on all rows of a table.
  func evaluate(_ model: LoadedModel, _ data: String) throws -> EvaluationTotals {
    var options = LoadOptions(targets: .numeric)
    options.schema = model.description.readingSchema
    let dataset = try Dataset.load(try DataSource.parse(data), options).training
    return try Evaluator(
      model.network, dataset, rows: Array(0..<Int32(dataset.rows)),
      scales: model.description.readingSchema.scales
    ).run()
  }

  /// A table of `columns` features and of what `targets` makes of them and of uniform noise.
  func table(
    _ name: String, _ header: String, rows: Int, columns: Int, seed: UInt64 = 1,
    _ targets: ([Double], inout Noise) -> [String]
  ) throws -> String {
    var noise = Noise(state: seed)
    var text = header + "\n"
    for _ in 0..<rows {
      let x = (0..<columns).map { _ in 2 * noise.next() - 1 }
      text +=
        (x.map { String(format: "%.4f", $0) } + targets(x, &noise)).joined(separator: ",") + "\n"
    }
    return try folder.write(name, text)
  }

  // MARK: - Independent targets of 0 and 1

  func parcels(_ name: String = "parcels.csv") throws -> String {
    try table(name, "a,b,c,late,damaged,returned", rows: 400, columns: 3) { x, noise in
      [
        x[0] + x[1] + 0.1 * noise.next() > 0.2 ? "True" : "False",
        x[2] - x[0] > 0 ? "1" : "0", x[1] > 0.5 || noise.next() < 0.02 ? "1.0" : "0.0",
      ]
    }
  }

  @Test(
    "Binary cross-entropy learns several columns of 0 and 1, and predicts a probability for each")
  func binary() throws {
    let path = try parcels()
    let (summary, model) = try train(path, .binaryCrossEntropy) {
      $0.targetColumns = ["late", "damaged", "returned"]
    }
    #expect((summary.testAccuracy ?? 0) > 0.9 && summary.testScores == nil)
    #expect(model.description.widths == [3, 16, 3] && model.description.labels.isEmpty)
    #expect(model.description.readingSchema.scales.allSatisfy { !$0.isScaled })
    let probabilities = try predict(model, path)
    let rows = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").dropFirst()
    let targets = rows.map { row in
      row.split(separator: ",").suffix(3).map { ["True", "1", "1.0"].contains($0) ? 1.0 : 0.0 }
    }
    var (correct, loss) = (0, 0.0)
    for (p, y) in zip(probabilities, targets) {
      for (p, y) in zip(p, y) {
        #expect(p >= 0 && p <= 1)
        correct += (p >= 0.5) == (y >= 0.5) ? 1 : 0
        loss -= log(y == 1 ? Double(p) : 1 - Double(p))
      }
    }
    let totals = try evaluate(model, path)
    #expect(totals.accuracy == Double(correct) / Double(3 * rows.count) && totals.scores == nil)
    #expect(abs(totals.loss - loss / Double(rows.count)) < 1e-4 * totals.loss)
  }

  @Test("A single column of 0 and 1, or of probabilities, has one output")
  func single() throws {
    let path = try table("t.csv", "a,y", rows: 200, columns: 1) { x, _ in [x[0] > 0 ? "1" : "0"] }
    #expect((try train(path, .binaryCrossEntropy).summary.testAccuracy ?? 0) > 0.9)
    let soft = try table("p.csv", "a,y", rows: 200, columns: 1) { x, _ in
      [String(format: "%.4f", 1 / (1 + exp(-2 * x[0])))]
    }
    let model = try train(soft, .binaryCrossEntropy).model
    let probabilities = try predict(model, soft)
    let text = try String(contentsOfFile: soft, encoding: .utf8).split(separator: "\n").dropFirst()
    for (p, row) in zip(probabilities, text) {
      let y = Float(row.split(separator: ",")[1]) ?? .nan
      #expect(p.count == 1 && abs(p[0] - y) < 0.1)
    }
  }

  // MARK: - Counts

  @Test("The Poisson loss learns the rates of counts, and predictions and scores are of rates")
  func poisson() throws {
    let path = try table("counts.csv", "a,b,n", rows: 800, columns: 2) { x, noise in
      // Knuth's algorithm: the number of factors until the product falls below exp(-rate).
      let limit = exp(-exp(1 + x[0] - 0.5 * x[1]))
      var (count, product) = (0, noise.next())
      while product > limit {
        product *= noise.next()
        count += 1
      }
      return ["\(count)"]
    }
    let (summary, model) = try train(path, .poisson) { $0.layers = [8] }
    #expect(model.description.readingSchema.scales.allSatisfy { !$0.isScaled })
    #expect(summary.testAccuracy == nil && (summary.testScores?.r2 ?? 0) > 0.2)
    let rates = try predict(model, path).map { Double($0[0]) }
    let rows = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").dropFirst()
      .map { $0.split(separator: ",").map { Double($0) ?? .nan } }
    var (error, absolute, away, loss) = (0.0, 0.0, 0.0, 0.0)
    for (rate, row) in zip(rates, rows) {
      error += (rate - row[2]) * (rate - row[2])
      absolute += abs(rate - row[2])
      away += abs(log(rate) - (1 + row[0] - 0.5 * row[1]))
      loss += rate - row[2] * log(rate)
    }
    let (count, totals) = (Double(rows.count), try evaluate(model, path))
    let scores = try #require(totals.scores)
    #expect(rates.allSatisfy { $0 > 0 } && away / count < 0.2)
    #expect(abs(scores.meanSquaredError - error / count) < 1e-4 * scores.meanSquaredError)
    #expect(abs(scores.meanAbsoluteError - absolute / count) < 1e-4 * scores.meanAbsoluteError)
    #expect(abs(totals.loss - loss / count) < 1e-4)
  }

  @Test("A rate that overflows ends the run with a message that names the step")
  func poissonOverflow() throws {
    let path = try table("counts.csv", "a,b,n", rows: 200, columns: 2) { x, _ in
      ["\(Int(1e6 * (x[0] + 2)))"]
    }
    let failure = #expect(throws: Failure.self) {
      try train(path, .poisson) {
        $0.optimizer = .sgd
        $0.learningRate = 1
      }
    }
    #expect(failure?.status.rawValue == 78)
    let message = failure?.message ?? ""
    #expect(message.contains("not finite") && message.contains("--learning-rate"), "\(message)")
  }

  // MARK: - Numbers

  @Test(
    "The quantile loss predicts values above the stated share of targets", arguments: [0.1, 0.9])
  func coverage(quantile: Double) throws {
    let path = try table("q.csv", "a,b,y", rows: 1000, columns: 2) { x, noise in
      [String(format: "%.4f", 500 + 100 * x[0] + 50 * (1 + x[0]) * (noise.next() - 0.3))]
    }
    let model = try train(path, .quantile) {
      $0.quantile = quantile
      $0.batchNorm = .off
      $0.schedule = .cosine
    }.model
    #expect(model.description.lossParameters == LossParameters(quantile: quantile))
    let scale = model.description.readingSchema.scales[0]
    #expect(scale.isScaled)
    let rows = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").dropFirst()
    let below = zip(try predict(model, path), rows).count { output, row in
      Double(row.split(separator: ",")[2]) ?? .nan <= scale.value(output[0])
    }
    #expect(abs(Double(below) / Double(rows.count) - quantile) < 0.05)
  }

  @Test("With outliers the absolute error and the Huber loss are nearer to most targets than mse")
  func outliers() throws {
    let path = try table("o.csv", "a,b,y", rows: 600, columns: 2) { x, noise in
      let y = 3 * x[0] - 2 * x[1] + 0.1 * noise.next()
      return [String(format: "%.4f", noise.next() < 0.15 ? y + 60 : y)]
    }
    func medianError(_ loss: LossName, _ delta: Double? = nil) throws -> Double {
      let model = try train(path, loss) { $0.huberDelta = delta }.model
      let scale = model.description.readingSchema.scales[0]
      let rows = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
      let errors = zip(try predict(model, path), rows.dropFirst()).map { output, row in
        abs((Double(row.split(separator: ",")[2]) ?? .nan) - scale.value(output[0]))
      }
      return errors.sorted()[errors.count / 2]
    }
    let mean = try medianError(.meanSquaredError)
    #expect(try medianError(.meanAbsoluteError) < mean / 4)
    #expect(try medianError(.huber, 0.05) < mean / 4)
    let parameters = try LoadedModel(path: "\(folder.path)/run").description.lossParameters
    #expect(parameters == LossParameters(delta: 0.05))
  }

  // MARK: - Label smoothing

  @Test("Label smoothing keeps probabilities from 0 and 1, and is part of model and configuration")
  func smoothing() throws {
    let path = try table("c.csv", "a,b,y", rows: 300, columns: 2) { x, _ in
      [x[0] > 0.3 ? "x" : x[1] > 0 ? "y" : "z"]
    }
    let plain = try train(path, nil).model
    #expect(!plain.description.json.contains("loss_parameters"))
    let largest = try predict(plain, path).flatMap { $0 }.max() ?? 0
    let (_, smoothed) = try train(path, nil) { $0.labelSmoothing = 0.3 }
    #expect(smoothed.description.json.contains("\"loss_parameters\":{\"label_smoothing\":0.3}"))
    // The best probabilities are 0.7 + 0.3 / 3 and 0.3 / 3.
    let probabilities = try predict(smoothed, path)
    #expect(largest > 0.99 && probabilities.allSatisfy { ($0.max() ?? 1) < 0.95 })
    #expect(probabilities.allSatisfy { abs($0.reduce(0, +) - 1) < 1e-5 })
    // The run is resumed with the same share only, also where that would be none.
    for share in [0, 0.2] {
      let failure = #expect(throws: Failure.self) {
        try train(path, nil) {
          $0.overwrite = false
          $0.resume = .newest
          $0.epochs = 50
          $0.labelSmoothing = share
        }
      }
      #expect(failure?.message.contains("--label-smoothing \(share) (was 0.3)") == true)
    }
    try train(path, nil) {
      $0.overwrite = false
      $0.resume = .newest
      $0.epochs = 50
      $0.labelSmoothing = 0.3
    }
  }

  // MARK: - Refusals

  static let refusals: [(LossName?, String, [String], @Sendable (inout TrainingOptions) -> Void)] =
    [
      (
        .poisson, "a,y\n1,2\n2,0\n3,-1\n4,3\n", ["row 3: y is -1", "counts of 0 or more"], { _ in }
      ),
      (
        .binaryCrossEntropy, "a,y\n1,0\n2,2\n3,1\n4,0\n",
        ["row 2: y is 2", "takes 0 and 1", "--loss cross-entropy"], { _ in }
      ),
      (
        .binaryCrossEntropy, "a,y,z\n1,0,0\n2,1,1\n3,1,-0.5\n4,0,1\n", ["row 3: z is -0.5"],
        { $0.targetColumns = ["y", "z"] }
      ),
      (
        .binaryCrossEntropy, "a,y\n1,yes\n2,no\n3,no\n4,yes\n",
        ["2 classes (no, yes)", "write them so (or True and False)", "--loss cross-entropy"],
        { _ in }
      ),
      (
        .binaryCrossEntropy, "a,y,z\n1,yes,0\n2,no,1\n3,no,0\n4,yes,1\n",
        ["--target: classes must be in one column, not in 2", "--loss binary-cross-entropy"],
        { $0.targetColumns = ["y", "z"] }
      ),
      (
        .crossEntropy, "a,y,z\n1,1,0\n2,0,1\n3,0,0\n4,1,1\n",
        ["for several columns of 0 and 1 use --loss binary-cross-entropy"],
        { $0.targetColumns = ["y", "z"] }
      ),
      (
        .meanAbsoluteError, "a,y\n1,yes\n2,no\n3,no\n4,yes\n",
        ["2 classes (no, yes)", "--loss mae takes numbers"], { _ in }
      ),
      (
        nil, "a,y\n1,1.5\n2,2.5\n3,2.25\n4,1.75\n", ["--label-smoothing 0.1", "not mse"],
        { $0.labelSmoothing = 0.1 }
      ),
    ]

  @Test(
    "Targets that a loss is not defined for are refused with the first of them and a hint",
    arguments: refusals.indices)
  func refused(index: Int) throws {
    let (loss, text, parts, change) = Self.refusals[index]
    let path = try folder.write("t.csv", text)
    let failure = #expect(throws: Failure.self) {
      try train(path, loss) {
        $0.validationSplit = 0
        change(&$0)
      }
    }
    for part in parts {
      #expect(failure?.message.contains(part) == true, "\(failure?.message ?? "")")
    }
  }

  @Test("Built-in classes, and validation rows with other targets, are refused")
  func otherSources() throws {
    let digits = #expect(throws: Failure.self) { try train("digits", .huber) }
    #expect(
      digits?.message.hasPrefix("digits: the target is 10 classes (0, 1, 2, …), and --loss huber")
        == true, "\(digits?.message ?? "")")
    let path = try parcels()
    let other = try folder.write("v.csv", "a,b,c,late,damaged,returned\n0,0,0,1,0,0\n1,1,1,0,3,0\n")
    let validation = #expect(throws: Failure.self) {
      try train(path, .binaryCrossEntropy) {
        $0.targetColumns = ["late", "damaged", "returned"]
        $0.validation = other
      }
    }
    #expect(
      validation?.message.contains("v.csv: row 2: damaged is 3") == true,
      "\(validation?.message ?? "")")
  }

  @Test("A model with impossible parameters of its loss is refused as damaged")
  func damaged() throws {
    var options = TrainingOptions()
    options.loss = .huber
    options.huberDelta = 0.5
    let json = ModelDescription(options, inputs: 2, outputs: 1, labels: []).json
    #expect(try ModelDescription(json: json, path: "m").lossParameters?.delta == 0.5)
    for wrong in ["-1", "0", "1e999", "\"x\""] {
      let text = json.replacing("\"delta\":0.5", with: "\"delta\":\(wrong)")
      #expect(throws: TrainingError.self) { try ModelDescription(json: text, path: "m") }
    }
  }
}

/// Uniform numbers from 0 to 1, the same for the same state.
struct Noise {
  var state: UInt64

  /// Linear congruential, with Knuth's constants for MMIX.
  mutating func next() -> Double {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Double(state >> 11) / 9_007_199_254_740_992
  }
}
