// SPDX-License-Identifier: Apache-2.0
import Coordination
import Failures
import NeuralCore
import RunRecords
import Testing
import Training

@Suite("Training options")
struct OptionsTests {
  static let wrong: [(String, @Sendable (inout TrainingOptions) -> Void)] = [
    ("--batch 0", { $0.batch = 0 }),
    ("--learning-rate nan", { $0.learningRate = .nan }),
    ("--learning-rate -1.0", { $0.learningRate = -1 }),
    ("--learning-rate inf", { $0.learningRate = .infinity }),
    ("--scale-learning-rate 0", { $0.scaleLearningRate = 0 }),
    ("--layers 8,0", { $0.layers = [8, 0] }),
    (
      "--momentum 1.0",
      {
        $0.optimizer = .sgd
        $0.momentum = 1
      }
    ),
    ("--momentum: requires --optimizer sgd, rmsprop or lars", { $0.momentum = 0.5 }),
    (
      "--momentum: requires --optimizer sgd, rmsprop or lars",
      {
        $0.optimizer = .lamb
        $0.momentum = 0.5
      }
    ),
    ("--nesterov: requires --optimizer sgd", { $0.nesterov = true }),
    (
      "--nesterov: requires --optimizer sgd",
      {
        $0.optimizer = .rmsprop
        $0.momentum = 0.5
        $0.nesterov = true
      }
    ),
    (
      "--nesterov: requires --momentum above 0",
      {
        $0.optimizer = .sgd
        $0.nesterov = true
      }
    ),
    ("--rho 1.0: must be at least 0 and below 1", { $0.rho = 1 }),
    ("--rho: requires --optimizer rmsprop", { $0.rho = 0.9 }),
    ("--trust-coefficient 0.0: must be a positive number", { $0.trustCoefficient = 0 }),
    ("--trust-coefficient: requires --optimizer lars", { $0.trustCoefficient = 0.01 }),
    ("--max-norm 0.0: must be a positive number", { $0.maxNorm = 0 }),
    ("--max-norm nan: must be a positive number", { $0.maxNorm = .nan }),
    (
      "--warmup-steps and --schedule one-cycle are mutually exclusive",
      {
        $0.schedule = .oneCycle
        $0.warmupSteps = 1
      }
    ),
    (
      "--decay-factor: requires --schedule step, exponential or plateau",
      {
        $0.schedule = .oneCycle
        $0.decayFactor = 0.5
      }
    ),
    ("--beta1 1.0", { $0.beta1 = 1 }),
    ("--beta2 -0.1", { $0.beta2 = -0.1 }),
    (
      "--beta1 and --beta2: require --optimizer adam or lamb",
      {
        $0.optimizer = .sgd
        $0.beta1 = 0.5
      }
    ),
    ("--weight-decay nan", { $0.weightDecay = .nan }),
    ("--clip-norm 0.0", { $0.clipNorm = 0 }),
    ("--huber-delta 0.0: must be a positive number", { $0.huberDelta = 0 }),
    ("--huber-delta 2.0: requires --loss huber", { $0.huberDelta = 2 }),
    ("--quantile 0.5: requires --loss quantile", { $0.quantile = 0.5 }),
    (
      "--quantile 1.0: must be between 0 and 1",
      {
        $0.loss = .quantile
        $0.quantile = 1
      }
    ),
    ("--label-smoothing 1.0: must be at least 0 and below 1", { $0.labelSmoothing = 1 }),
    (
      "--label-smoothing 0.1: requires --loss cross-entropy, not mse",
      {
        $0.loss = .meanSquaredError
        $0.labelSmoothing = 0.1
      }
    ),
    (
      "--target-scale standard: --loss binary-cross-entropy takes targets as they are",
      {
        $0.loss = .binaryCrossEntropy
        $0.targetScale = .standard
      }
    ),
    ("--warmup-steps -1", { $0.warmupSteps = -1 }),
    ("--decay-every: requires --schedule step", { $0.decayEvery = 5 }),
    (
      "--decay-every: requires --schedule step",
      {
        $0.schedule = .plateau
        $0.decayEvery = 5
      }
    ),
    ("--decay-factor: requires --schedule step, exponential or plateau", { $0.decayFactor = 0.5 }),
    (
      "--decay-factor 1: must be below 1 with --schedule plateau",
      {
        $0.schedule = .plateau
        $0.decayFactor = 1
      }
    ),
    ("--plateau-patience: requires --schedule plateau", { $0.plateauPatience = 3 }),
    ("--plateau-patience -1", { $0.plateauPatience = -1 }),
    ("--patience 0", { $0.patience = 0 }),
    ("--min-delta: requires --patience, --monitor or --schedule", { $0.minDelta = 0.1 }),
    (
      "--min-delta -0.1",
      {
        $0.patience = 3
        $0.minDelta = -0.1
      }
    ),
    (
      "--epochs and --steps",
      {
        $0.epochs = 1
        $0.steps = 1
      }
    ),
    ("--epochs 0", { $0.epochs = 0 }),
    ("--steps 0", { $0.steps = 0 }),
    ("--validation-split 1.0", { $0.validationSplit = 1 }),
    ("--validation-split nan", { $0.validationSplit = .nan }),
    ("--slices 0", { $0.slices = 0 }),
    ("--slices 3", { $0.slices = 3 }),
    ("--batch-norm-momentum 1.0", { $0.batchNormMomentum = 1 }),
    ("--epsilon 0.0", { $0.epsilon = 0 }),
    ("--bucket-mb 0.0", { $0.bucketMegabytes = 0 }),
    ("--evaluate-every 0", { $0.evaluateEvery = 0 }),
    ("--log-every 0", { $0.logEvery = 0 }),
    ("--digest-every 0", { $0.digestEvery = 0 }),
    ("--checkpoint-every 0", { $0.checkpointEvery = 0 }),
    ("--keep 0", { $0.keep = 0 }),
    ("--trace-steps: requires --trace", { $0.traceSteps = 5 }),
    ("--resume: requires --run", { $0.resume = .newest }),
    ("--batch 1: batch norm needs at least two rows; use --batch 2 or more", { $0.batch = 1 }),
    (
      "--batch 1: batch norm",
      {
        $0.batch = 1
        $0.batchNorm = .local
      }
    ),
    (
      "--batch-norm off: is another name for --norm none, and contradicts --norm layer",
      {
        $0.norm = .layer
        $0.batchNorm = .off
      }
    ),
    (
      "--batch-norm off: is another name for --norm none, and contradicts --norm batch",
      {
        $0.norm = .batch
        $0.batchNorm = .off
      }
    ),
    (
      "--batch-norm local: requires --norm batch",
      {
        $0.norm = .off
        $0.batchNorm = .local
      }
    ),
    (
      "--residual: requires two consecutive hidden layers of the same width, and --layers 256,128 has",
      { $0.residual = true }
    ),
    (
      "--residual: requires two consecutive hidden layers of the same width, and --layers \"\" has",
      {
        $0.residual = true
        $0.layers = []
      }
    ),
    ("--dropout 1.0: must be at least 0 and below 1", { $0.dropout = [1] }),
    ("--dropout 0.5,-0.1: must be at least 0 and below 1", { $0.dropout = [0.5, -0.1] }),
    ("--dropout nan: must be", { $0.dropout = [.nan] }),
    (
      "--dropout 0.1,0.2,0.3: must be one number, or one for each of the 2 hidden layers of --layers 256,128",
      { $0.dropout = [0.1, 0.2, 0.3] }
    ),
    (
      "--dropout: requires hidden layers",
      {
        $0.dropout = [0.1]
        $0.layers = []
      }
    ),
    ("--input-dropout 1.0: must be at least 0 and below 1", { $0.inputDropout = 1 }),
    (
      "--resume and --overwrite are mutually exclusive",
      {
        $0.resume = .newest
        $0.run = "r"
        $0.overwrite = true
      }
    ),
  ]

  @Test("An invalid option is rejected with a message that starts with its name")
  func refused() throws {
    try TrainingOptions().validate(ranks: 4)
    for (beginning, change) in Self.wrong {
      var options = TrainingOptions()
      change(&options)
      do {
        try options.validate(ranks: 4)
        Issue.record("\(beginning) was accepted")
      } catch {
        #expect(error.exitStatus.rawValue == 64)
        #expect(error.description.hasPrefix(beginning), "\(error)")
      }
    }
  }

  @Test("Options give the learning rates of their schedule, with warmup and scaling")
  func schedules() {
    var options = TrainingOptions()
    options.learningRate = 0.1
    options.warmupSteps = 2
    #expect(options.makeSchedule(totalSteps: 12).rate(at: 0) == 0.05)
    #expect(options.makeSchedule(totalSteps: 12).rate(at: 1) == 0.1)
    options.schedule = .cosine
    let cosine = options.makeSchedule(totalSteps: 12)
    #expect(cosine.rate(at: 2) == 0.1)
    #expect(abs(cosine.rate(at: 7) - 0.05) < 1e-12)
    #expect(abs(cosine.rate(at: 12)) < 1e-12)
    options.schedule = .step
    options.warmupSteps = 0
    let steps = options.makeSchedule(totalSteps: 12)
    #expect(steps.rate(at: 3) == 0.1)
    #expect(abs(steps.rate(at: 4) - 0.01) < 1e-12)
    #expect(abs(steps.rate(at: 8) - 0.001) < 1e-12)
    options.scaleLearningRate = 64
    #expect(options.resolvedLearningRate == 0.2)
  }

  @Test("Options give the optimizer and its learning rate, by default that of the optimizer")
  func optimizers() throws {
    var options = TrainingOptions()
    options.optimizer = .rmsprop
    (options.rho, options.momentum, options.weightDecay) = (0.5, 0.25, 0.125)
    #expect(options.resolvedLearningRate == 1e-3)
    let rmsprop = try #require(options.makeOptimizer as? RMSPropOptimizer)
    #expect(rmsprop.rho == 0.5 && rmsprop.momentum == 0.25 && rmsprop.weightDecay == 0.125)
    #expect(rmsprop.momentNames == ["square_average", "momentum"])
    options.optimizer = .lars
    options.trustCoefficient = 0.01
    #expect(options.resolvedLearningRate == 1)
    let lars = try #require(options.makeOptimizer as? LARSOptimizer)
    #expect(lars.trustCoefficient == 0.01 && lars.momentum == 0.25 && lars.weightDecay == 0.125)
    #expect(lars.momentNames == ["momentum"])
    options.optimizer = .lamb
    (options.beta1, options.beta2) = (0.5, 0.75)
    #expect(options.resolvedLearningRate == 3e-3)
    let lamb = try #require(options.makeOptimizer as? LAMBOptimizer)
    #expect(lamb.beta1 == 0.5 && lamb.beta2 == 0.75 && lamb.weightDecay == 0.125)
    #expect(lamb.momentNames == ["first_moment", "second_moment"])
  }

  @Test("One-cycle takes all steps of the run, exponential decay a third of them by default")
  func newSchedules() {
    var options = TrainingOptions()
    options.learningRate = 0.5
    options.schedule = .oneCycle
    #expect(
      options.makeSchedule(totalSteps: 30)
        == LearningRateSchedule(base: 0.5, shape: .oneCycle(totalSteps: 30)))
    options.schedule = .exponential
    options.warmupSteps = 4
    #expect(
      options.makeSchedule(totalSteps: 30)
        == LearningRateSchedule(
          base: 0.5, shape: .exponential(every: 10, factor: 0.1), warmupSteps: 4))
    (options.decayEvery, options.decayFactor) = (3, 0.5)
    #expect(
      options.makeSchedule(totalSteps: 30)
        == LearningRateSchedule(
          base: 0.5, shape: .exponential(every: 3, factor: 0.5), warmupSteps: 4))
  }

  @Test("Options that change no bit are not among those that determine the result")
  func determining() {
    var options = TrainingOptions()
    let before = options.determining(slices: 4, ranks: 1).map { "\($0)" }
    options.run = "x"
    options.exchange = .allReduce
    options.logEvery = 3
    options.bucketMegabytes = 1
    #expect(options.determining(slices: 4, ranks: 2).map { "\($0)" } == before)
    options.seed = 1
    #expect(options.determining(slices: 4, ranks: 1).map { "\($0)" } != before)
  }

  @Test("What is monitored determines the result only in runs that monitor something")
  func determiningMonitor() {
    let added = { (change: (inout TrainingOptions) -> Void) in
      var options = TrainingOptions()
      change(&options)
      let before = determining(TrainingOptions())
      return determining(options).filter { !before.contains($0) }
    }
    #expect(added { $0.evaluateEvery = 3 }.isEmpty)
    #expect(
      added { $0.patience = 3 } == [
        "evaluate-every 1", "patience 3", "monitor loss", "min-delta 0.0",
      ])
    #expect(
      added { $0.monitor = .accuracy } == ["evaluate-every 1", "monitor accuracy", "min-delta 0.0"])
    #expect(
      added { $0.schedule = .plateau } == [
        "schedule plateau", "decay-factor 0.1", "plateau-patience 10", "evaluate-every 1",
        "monitor loss", "min-delta 0.0",
      ])
  }

  /// What determines the result of options, as `name value` lines.
  func determining(_ options: TrainingOptions, slices: Int = 4, ranks: Int = 2) -> [String] {
    options.determining(slices: slices, ranks: ranks).map { "\($0.name) \($0.value)" }
  }

  @Test("The options that determine the result are listed in a fixed order with resolved values")
  func determiningOrder() {
    #expect(
      determining(TrainingOptions()) == [
        "layers 256,128", "activation relu",
        "loss cross-entropy for classes, mse for numbers", "optimizer adam",
        "learning-rate 0.001", "weight-decay 0.0", "beta1 0.9", "beta2 0.999",
        "schedule constant", "warmup-steps 0", "clip-norm none", "batch 128", "epochs 10",
        "drop-last false", "validation-split 0.2", "seed 0", "slices 4",
        "batch-norm synchronized", "batch-norm-backward exact", "batch-norm-momentum 0.9",
        "epsilon 1e-05",
      ])
    var options = TrainingOptions()
    options.layers = []
    options.loss = .meanSquaredError
    options.optimizer = .sgd
    options.momentum = 0.9
    options.nesterov = true
    options.schedule = .step
    options.scaleLearningRate = 64
    options.clipNorm = 1
    options.steps = 30
    options.dropLast = true
    options.slices = 8
    options.batchNorm = .off
    #expect(
      determining(options, slices: 8) == [
        "layers ", "activation relu", "loss mse", "optimizer sgd", "learning-rate 0.02",
        "weight-decay 0.0", "momentum 0.9", "nesterov true", "schedule step", "warmup-steps 0",
        "decay-every a third of all steps", "decay-factor 0.1", "clip-norm 1.0", "batch 128",
        "steps 30", "drop-last true", "validation-split 0.2", "seed 0", "slices 8",
        "batch-norm off", "target-scale standard",
      ])
    options.decayEvery = 5
    options.maxNorm = 3
    #expect(determining(options).contains("max-norm 3.0"))
    options.batchNorm = .local
    let rows = determining(options)
    #expect(rows.contains("decay-every 5"))
    #expect(
      rows.suffix(6) == [
        "batch-norm local", "batch-norm-backward exact", "batch-norm-momentum 0.9",
        "epsilon 1e-05", "target-scale standard", "ranks 2",
      ])
  }

  @Test("Parameters of a loss determine the result with that loss only, with resolved defaults")
  func lossParameters() {
    let names: Set = ["target-scale", "huber-delta", "quantile", "label-smoothing"]
    func rows(_ loss: LossName?, _ change: (inout TrainingOptions) -> Void = { _ in }) -> [String] {
      var options = TrainingOptions()
      options.loss = loss
      change(&options)
      return options.determining(slices: 4, ranks: 1).filter { names.contains($0.name) }
        .map { "\($0.name) \($0.value)" }
    }
    #expect(rows(nil).isEmpty && rows(.crossEntropy).isEmpty)
    #expect(rows(.crossEntropy) { $0.labelSmoothing = 0.1 } == ["label-smoothing 0.1"])
    #expect(rows(.huber) == ["target-scale standard", "huber-delta 1.0"])
    #expect(rows(.huber) { $0.huberDelta = 1 } == rows(.huber))
    #expect(rows(.quantile) { $0.quantile = 0.9 } == ["target-scale standard", "quantile 0.9"])
    #expect(
      rows(.meanAbsoluteError) { $0.targetScale = TargetScaleName.none } == ["target-scale none"])
    #expect(rows(.poisson).isEmpty && rows(.binaryCrossEntropy).isEmpty)
  }

  @Test("The options of an optimizer are listed only with that optimizer")
  func determiningOptimizer() {
    var options = TrainingOptions()
    let names = { (optimizer: OptimizerName) in
      options.optimizer = optimizer
      return options.determining(slices: 4, ranks: 2).map(\.name).filter {
        ["momentum", "nesterov", "beta1", "beta2", "rho", "trust-coefficient"].contains($0)
      }
    }
    #expect(names(.adam) == ["beta1", "beta2"])
    #expect(names(.lamb) == ["beta1", "beta2"])
    #expect(names(.sgd) == ["momentum", "nesterov"])
    #expect(names(.rmsprop) == ["momentum", "rho"])
    #expect(names(.lars) == ["momentum", "trust-coefficient"])
  }

  @Test("Normalization, residual connections and dropout are listed where they are set")
  func determiningBlocks() {
    var options = TrainingOptions()
    let before = determining(options)
    options.norm = .batch
    #expect(determining(options) == before)
    options.batchNorm = .off
    options.norm = nil
    let off = determining(options)
    options.batchNorm = .synchronized
    options.norm = .off
    #expect(determining(options) == off)
    options.norm = .layer
    options.residual = true
    options.dropout = [0.5]
    options.inputDropout = 0.1
    #expect(
      determining(options).suffix(6) == [
        "batch-norm off", "epsilon 1e-05", "norm layer", "residual true", "dropout 0.5",
        "input-dropout 0.1",
      ])
  }

  @Test("A network without batch norm can train on batches of one row, however that is asked for")
  func oneRow() throws {
    for change in [
      { $0.batchNorm = .off }, { $0.norm = .off }, { $0.norm = .layer },
    ] as [@Sendable (inout TrainingOptions) -> Void] {
      var options = TrainingOptions()
      options.batch = 1
      change(&options)
      try options.validate(ranks: 1)
    }
  }

  @Test("Each name that other libraries have for an option is known once, and leads to an option")
  func synonyms() {
    let known = TrainingOptions.optionNames
    let names = UnknownOption.synonyms.flatMap(\.names) + UnknownOption.missing.flatMap(\.names)
    #expect(Set(names.map { $0.replacing("_", with: "") }).count == names.count)
    #expect(UnknownOption.synonyms.allSatisfy { known.contains($0.option) })
    for name in names { #expect(!known.contains(name), "\(name)") }
  }

  @Test(
    "A name of another library is refused by configuration files and flags, in any case and with - for _",
    arguments: UnknownOption.synonyms.map { ($0.names, "did you mean OPTION?", $0.option) }
      + UnknownOption.missing.map { ($0.names, $0.reason, "") })
  func habits(names: [String], hint: String, option: String) {
    for name in names {
      for word in [name, name.uppercased(), name.replacing("_", with: "-")] {
        let error = #expect(throws: RunRecordError.self) {
          var options = TrainingOptions()
          try options.read(configuration: Array("seed: 1\n\"\(word)\": 1".utf8), path: "c.yaml")
        }
        #expect(
          error?.description
            == "c.yaml, line 2: unknown option \(word); "
            + hint.replacing("OPTION", with: option))
        #expect(
          UnknownOption.hint(word, among: TrainingOptions.optionNames, dashes: "--")
            == hint.replacing("OPTION", with: "--" + option))
      }
    }
  }

  @Test(
    "The names that PyTorch, Keras, scikit-learn and XGBoost use lead to the right options",
    arguments: [
      ("lr", "learning-rate"), ("alpha", "learning-rate"), ("eta", "learning-rate"),
      ("batch_size", "batch"), ("bs", "batch"), ("hidden_layer_sizes", "layers"),
      ("units", "layers"), ("num_epochs", "epochs"), ("max_iter", "steps"), ("wd", "weight-decay"),
      ("decay", "weight-decay"), ("solver", "optimizer"), ("criterion", "loss"),
      ("objective", "loss"), ("nonlinearity", "activation"), ("random_state", "seed"),
      ("test_size", "validation-split"), ("max_grad_norm", "clip-norm"), ("clipnorm", "clip-norm"),
      ("warmup", "warmup-steps"), ("lr_scheduler", "schedule"), ("gamma", "decay-factor"),
      ("step_size", "decay-every"), ("y", "target"), ("label_column", "target"),
      ("output_dir", "run"), ("force", "overwrite"), ("save_freq", "checkpoint-every"),
      ("eval_every", "evaluate-every"), ("log_interval", "log-every"),
      ("dropout_rate", "dropout"), ("skip_connections", "residual"), ("layer_norm", "norm"),
      ("resume_from_checkpoint", "resume"), ("batchSize", "batch"), ("beta_2", "beta2"),
      ("trust_coef", "trust-coefficient"), ("kernel_constraint", "max-norm"),
      ("smoothing_constant", "rho"), ("maxNorm", "max-norm"), ("decay_rate", "decay-factor"),
    ])
  func meanings(name: String, option: String) {
    #expect(
      UnknownOption.hint(name, among: TrainingOptions.optionNames) == "did you mean \(option)?")
  }

  @Test("A hint names only options that the command has, and similar ones only if similar enough")
  func hints() {
    #expect(UnknownOption.hint("lr", among: ["batch", "steps"]) == nil)
    #expect(UnknownOption.hint("stps", among: ["batch", "steps"]) == "did you mean steps?")
    #expect(UnknownOption.hint("eps", among: ["batch", "steps"]) == nil)
    #expect(UnknownOption.hint("", among: ["run"]) == nil)
    #expect(UnknownOption.hint(String(repeating: "x", count: 65), among: ["run"]) == nil)
  }
}
