// SPDX-License-Identifier: Apache-2.0
import Coordination
import Datasets
import Failures
import Foundation
import NeuralCore
import RunRecords
import TestSupport
import Testing
import Training

@Suite("Configuration files")
struct ConfigurationTests {
  func read(_ text: String) throws -> TrainingOptions {
    var options = TrainingOptions()
    try options.read(configuration: Array(text.utf8), path: "c.yaml")
    return options
  }

  /// The error that a text causes.
  func refusal(_ text: String) -> RunRecordError? {
    #expect(throws: RunRecordError.self) { try read(text) }
  }

  /// Options of which every recorded one differs from its default.
  static var unusual: TrainingOptions {
    var options = TrainingOptions()
    options.data = "/data/a b/& *x: \"é\" #1\n\t.csv"
    options.targetColumns = ["yes", "a,b", "", "1", "null", "-x", "\u{85}"]
    options.featureColumns = ["No", "\"q\", r"]
    options.ignoredColumns = ["id", "~"]
    options.categoricalColumns = ["3"]
    options.weightsColumn = ["w, x"]
    options.maxLevels = 7
    options.missing = .drop
    options.header = .no
    options.separator = .bar
    options.targetScale = TargetScaleName.none
    options.validation = "/data/b: c.csv"
    options.layers = [3, 1, 4]
    options.activation = .sigmoid
    options.loss = .meanSquaredError
    options.huberDelta = 0.7
    options.quantile = 0.2
    options.labelSmoothing = 0.1
    options.classWeight = ClassWeights("\"a, b\":1e300,*x:0.1,c:0")
    options.optimizer = .sgd
    options.learningRate = 0.1 + 0.2
    options.scaleLearningRate = 32
    options.momentum = 1e-300
    options.nesterov = true
    options.weightDecay = 0x1p-1074
    options.beta1 = 0.1
    options.beta2 = 0.2
    options.rho = 0.3
    options.trustCoefficient = 0.02
    options.maxNorm = 2.5
    options.schedule = .step
    options.warmupSteps = 3
    options.decayEvery = 7
    options.decayFactor = 0.3
    options.clipNorm = 1.5
    options.batch = 61
    options.steps = 9
    options.dropLast = true
    options.validationSplit = 1 / 3
    options.seed = .max
    options.slices = 5
    options.batchNorm = .off
    options.batchNormBackward = .frozen
    options.batchNormMomentum = 0.25
    options.epsilon = 1e-7
    options.norm = .layer
    options.residual = true
    options.dropout = [0.25, 0, 0.5]
    options.inputDropout = 0.125
    options.exchange = .allReduce
    options.exchangeSchedule = .halving
    options.transport = .messages
    options.bucketMegabytes = 0.5
    options.allowsMixedHardware = true
    options.checkpointEvery = 11
    options.keep = 2
    options.waitsForCheckpoints = true
    options.evaluateEvery = 4
    options.patience = 6
    options.monitor = .r2
    options.minDelta = 0.001
    options.plateauPatience = 8
    options.metrics = [.auc, .logLoss]
    options.logEvery = 13
    options.digestEvery = 17
    options.trace = true
    options.traceSteps = 19
    return options
  }

  @Test("config.yaml reads back to the same options, whatever their values")
  func roundTrip() throws {
    let unusual = Self.unusual
    let text = unusual.configuration(slices: 5)
    #expect(try read(text) == unusual)
    #expect(text.split(separator: "\n").count == TrainingOptions.optionNames.count - 3 + 1)
    var defaults = TrainingOptions()
    defaults.data = "digits"
    let resolved = try read(defaults.configuration(slices: 3))
    #expect(resolved.learningRate == 0.001 && resolved.epochs == 10 && resolved.slices == 3)
    #expect(
      resolved.determining(slices: 3, ranks: 1).map { "\($0)" }
        == defaults.determining(slices: 3, ranks: 1).map { "\($0)" })
  }

  @Test("config.yaml lists the recorded options, in order, with the values that a run uses")
  func complete() {
    var options = TrainingOptions()
    options.data = "digits"
    let expected = """
      # All options of this run. lockstep train --config FILE repeats it; flags win.
      data: digits
      target: []
      features: []
      ignore: []
      categorical: []
      weights: []
      max-levels: 256
      missing: mean
      header: auto
      separator: null
      target-scale: standard
      validation: null
      validation-split: 0.2
      batch: 128
      drop-last: false
      epochs: 10
      steps: null
      seed: 0
      slices: 4
      layers: [256, 128]
      activation: relu
      loss: null
      huber-delta: null
      quantile: null
      label-smoothing: 0.0
      norm: null
      class-weight: null
      batch-norm: synchronized
      batch-norm-backward: exact
      batch-norm-momentum: 0.9
      epsilon: 1e-05
      residual: false
      dropout: []
      input-dropout: 0.0
      optimizer: adam
      learning-rate: 0.001
      scale-learning-rate: null
      momentum: 0.0
      nesterov: false
      weight-decay: 0.0
      beta1: 0.9
      beta2: 0.999
      rho: 0.99
      trust-coefficient: 0.001
      schedule: constant
      warmup-steps: 0
      decay-every: null
      decay-factor: 0.1
      plateau-patience: 10
      clip-norm: null
      max-norm: null
      exchange: sharded
      exchange-schedule: auto
      transport: auto
      bucket-mb: 1.0
      allow-mixed-hardware: false
      checkpoint-every: null
      keep: null
      wait-for-checkpoints: false
      evaluate-every: 1
      patience: null
      monitor: null
      min-delta: 0.0
      metrics: []
      log-every: 10
      digest-every: null
      trace: false
      trace-steps: 100

      """
    #expect(options.configuration(slices: 4) == expected)
    options.steps = 7
    options.scaleLearningRate = 64
    let changed =
      expected.replacing("epochs: 10", with: "epochs: null")
      .replacing("steps: null", with: "steps: 7")
      .replacing("scale-learning-rate: null", with: "scale-learning-rate: 64")
    #expect(options.configuration(slices: 4) == changed)
  }

  @Test("Every property of TrainingOptions is declared as an option with a unique name")
  func declared() {
    #expect(
      Mirror(reflecting: TrainingOptions()).children.count == TrainingOptions.optionNames.count)
    #expect(Set(TrainingOptions.optionNames).count == TrainingOptions.optionNames.count)
  }

  @Test(
    "A configuration file may write lists in brackets, one item per line, or with commas, and unset options as null or ~"
  )
  func forms() throws {
    for layers in ["[8, 9]", "\n  - 8\n  - 9", "8,9", "\"8, 9\""] {
      #expect(try read("layers: \(layers)\n").layers == [8, 9])
    }
    #expect(try read("layers: []").layers == [])
    for none in ["null", "~", ""] { #expect(try read("clip-norm: \(none)\n").clipNorm == nil) }
    #expect(try read("batch-norm: off").batchNorm == .off)
    #expect(try read("learning-rate: 1").learningRate == 1)
    for empty in ["", "# nothing\n", "---\n", "{}"] {
      #expect(try read(empty) == TrainingOptions())
    }
  }

  @Test("Class weights are a word, a text, a list or a mapping")
  func classWeights() throws {
    #expect(try read("class-weight: balanced").classWeight == .balanced)
    #expect(try read("class-weight: null").classWeight == nil)
    let expected = ClassWeights("1:5,\"a, b\":0.5")
    #expect(expected != nil)
    for form in [
      "'1:5,\"a, b\":0.5'", "{1: 5, \"a, b\": 0.5}", "\n  \"a, b\": .5\n  1: 5.0",
      "[1:5, 'a, b:0.5']", "\n  - 1:5\n  - a, b:0.5",
    ] {
      #expect(try read("class-weight: \(form)\n").classWeight == expected, "\(form)")
    }
    for form in ["5", "{a: x}", "{a: [1]}", "[a]", "{}", "[]", "{a: null}", "[[a:1]]"] {
      let error = refusal("class-weight: \(form)")
      #expect(
        error?.description.contains(
          "line 1: class-weight: expected balanced, or a weight per label")
          == true, "\(form)")
    }
  }

  @Test("A configuration file may have a byte order mark, carriage returns, and words in any case")
  func spellings() throws {
    for text in ["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On"] {
      #expect(try read("nesterov: \(text)").nesterov, "\(text)")
    }
    for text in ["false", "False", "FALSE", "no", "No", "NO", "off", "Off"] {
      var options = TrainingOptions()
      options.nesterov = true
      try options.read(configuration: Array("nesterov: \(text)".utf8), path: "c.yaml")
      #expect(!options.nesterov, "\(text)")
    }
    let options = try read(
      """
      \u{FEFF}# Windows\r
      optimizer: Adam\r
      activation: "Sigmoid"\r
      loss: Cross_Entropy\r
      exchange: all_reduce\r
      exchange-schedule: HALVING\r
      batch-norm: Off\r
      learning-rate: 1e-3\r
      momentum: .5\r
      target: [Yes, No]\r

      """)
    #expect(options.optimizer == .adam && options.activation == .sigmoid)
    #expect(options.loss == .crossEntropy && options.exchange == .allReduce)
    #expect(options.exchangeSchedule == .halving && options.batchNorm == .off)
    #expect(options.learningRate == 1e-3 && options.momentum == 0.5)
    #expect(options.targetColumns == ["Yes", "No"])
    #expect(try read("\u{FEFF}") == TrainingOptions())
    #expect(try read("loss: MSE").loss == .meanSquaredError)
  }

  @Test(
    "A mistake in a configuration file is reported with its line, its key, and what is expected",
    arguments: [
      (
        "batch: 8\nlearning_rate: 1",
        "line 2: unknown option learning_rate; did you mean learning-rate?"
      ),
      ("epoch: 1", "line 1: unknown option epoch; did you mean epochs?"),
      ("Batch: 1", "did you mean batch?"),
      ("frobnicate: 1", "line 1: unknown option frobnicate; see lockstep train --help"),
      ("batch: many", "line 1: batch: expected an integer, found \"many\""),
      ("batch: \"8\"", "batch: expected an integer, found \"8\""),
      ("batch: 1_000", "expected an integer"), ("batch: 08", "expected an integer"),
      ("batch: 99999999999999999999", "expected an integer"),
      ("batch: 1.5", "expected an integer"), ("batch:", "found nothing"),
      ("\n\nbatch: [1]", "line 3: batch: expected an integer, found a list"),
      ("seed: -1", "seed: expected an integer from 0"),
      ("epsilon: .nan", "epsilon: expected a number"), ("epsilon: 0x1p3", "expected a number"),
      ("epsilon: 1e999", "expected a number"),
      ("lr: 1", "line 1: unknown option lr; did you mean learning-rate?"),
      ("batch: 8\r\nBatch_Size: 1\r\n", "line 2: unknown option Batch_Size; did you mean batch?"),
      ("\u{FEFF}\nbatch: x", "c.yaml, line 2: batch: expected an integer"),
      ("early_stopping: 3", "line 1: unknown option early_stopping; did you mean patience?"),
      ("monitor: val_loss", "monitor: expected one of loss, accuracy, "),
      ("eps: 1", "line 1: unknown option eps; see lockstep train --help"),
      ("nesterov: maybe", "nesterov: expected true or false, found \"maybe\""),
      ("nesterov: y", "expected true or false"), ("nesterov: 1", "expected true or false"),
      ("nesterov: \"true\"", "expected true or false, found \"true\""),
      (
        "activation: re_lu",
        "activation: expected one of relu, leaky-relu, elu, gelu, silu, softplus, tanh, sigmoid, "
          + "identity, found \"re_lu\""
      ),
      ("learning-rate: 1_000", "learning-rate: expected a number, or null, found \"1_000\""),
      (
        "loss: hinge",
        "loss: expected one of cross-entropy, mse, mae, huber, poisson, quantile, binary"
      ),
      ("layers: [8, x]", "layers: expected a list such as [a, b], each item an integer"),
      ("layers: {a: 1}", "found a mapping or nested list"),
      ("layers: [[1]]", "found a mapping or nested list"),
      ("clip-norm: x", "expected a number, or null"),
      ("batch: 1\nbatch: 2", "line 1: batch is given twice"),
      ("- batch", "expected one option per line"), ("batch", "expected one option per line"),
      ("? [batch]\n: 1", "line 1: a key must be an option name"),
      ("batch: [1", "invalid YAML"), ("a: b: c", "line 1: invalid YAML"),
      ("batch: 1\n---\nbatch: 2", "invalid YAML"),
      ("\tbatch: 1", "invalid YAML"), ("batch: \u{7}", "invalid YAML"),
    ])
  func mistakes(text: String, message: String) {
    let error = refusal(text)
    #expect(error?.exitStatus.rawValue == 78)
    #expect(error?.description.hasPrefix("c.yaml") == true)
    #expect(error?.description.contains(message) == true, "\(String(describing: error))")
    #expect(error?.description.contains("\n") == false)
  }

  @Test("YAML that would expand or nest without bound is rejected at once")
  func hostile() {
    let laughs = (1...30).map { "a\($0): &a\($0) [*a\($0 - 1), *a\($0 - 1)]" }
    let deep = String(repeating: "[", count: 50_000)
    let dashes = String(repeating: "- ", count: 50_000)
    let staircase = (0..<2000).map { String(repeating: " ", count: $0) + "a:" }
    let cases = [
      "a0: &a0 x\n" + laughs.joined(separator: "\n"), "? &a [x]\n: 1\n? *a\n: 2", deep,
      "batch: " + deep, dashes, staircase.joined(separator: "\n"), "{" + deep + "}",
      String(repeating: "? ", count: 50_000), "batch: " + String(repeating: "9", count: 500_000),
      String(repeating: "k", count: 500_000) + ": 1",
      String(repeating: "batch: 1\n", count: 50_000),
      String(repeating: " ", count: 1_100_000),
    ]
    for text in cases {
      let error = refusal(text)
      #expect(error?.exitStatus.rawValue == 78)
      #expect((error?.description.utf8.count ?? 0) < 300)
    }
    #expect(throws: RunRecordError.self) {
      var options = TrainingOptions()
      try options.read(configuration: [0x61, 0xFF], path: "c.yaml")
    }
  }

  @Test(
    "A configuration file that is missing, a folder, a pipe, or too large is rejected without blocking"
  )
  func files() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("c.yaml", "batch: 7\n")
    #expect(try ConfigurationFile.bytes(path: path) == Array("batch: 7\n".utf8))
    let none = #expect(throws: RunRecordError.self) {
      try ConfigurationFile.bytes(path: folder.path + "/none")
    }
    #expect(none?.exitStatus.rawValue == 66)
    mkfifo(folder.path + "/pipe", 0o600)
    truncate(try folder.write("large", ""), 1 << 40)
    for name in ["", "/pipe", "/large"] {
      let error = #expect(throws: RunRecordError.self) {
        try ConfigurationFile.bytes(path: folder.path + name)
      }
      #expect(error?.exitStatus.rawValue == 78)
    }
  }
}
