// SPDX-License-Identifier: Apache-2.0
public import Coordination
public import Datasets
public import NeuralCore
internal import RunRecords

/// Everything that can be configured about a training run, with the defaults.
///
/// A new option needs a property here and a row in the ``OptionSection`` that it belongs to. The rest
/// follows from the row: the command-line flag and its help, the key in a configuration file,
/// validation, `config.yaml`, and what a checkpoint and the other ranks must agree on.
public struct TrainingOptions: Equatable, Sendable {
  /// The DATA argument.
  public var data = ""
  /// Target columns of a table, by name or number; the last column if empty.
  public var targetColumns = ColumnNames()
  /// Feature columns of a table; all others if empty.
  public var featureColumns = ColumnNames()
  /// Columns of a table that are left out.
  public var ignoredColumns = ColumnNames()
  /// Columns of a table that are categories although they hold numbers.
  public var categoricalColumns = ColumnNames()
  /// The column of a table with the rows' weights in the training loss, if one is named.
  public var weightsColumn = ColumnNames()
  /// The largest number of inputs for a categorical column.
  public var maxLevels = 256
  /// What is done about missing cells of features.
  public var missing = MissingPolicy.mean
  /// Whether a table has a header.
  public var header = HeaderName.auto
  /// What separates the fields of a table; nil to find it out.
  public var separator: TableSeparator?
  /// Whether targets that are numbers are standardized.
  public var targetScale = TargetScaleName.auto
  /// Data to evaluate on, of any form that `data` can have; nil to hold out rows of `data`.
  public var validation: String?
  /// Fraction of rows held out if the data have no test set.
  public var validationSplit = 0.2
  /// Rows per global batch.
  public var batch = 128
  /// Whether an incomplete last batch is dropped.
  public var dropLast = false
  /// Number of epochs; nil for ``defaultEpochs`` unless `steps` is set.
  public var epochs: Int?
  /// Number of steps; excludes `epochs`.
  public var steps: Int?
  /// Seed of all random numbers.
  public var seed: UInt64 = 0
  /// Slices per global batch; nil for one per rank.
  public var slices: Int?

  /// Widths of the hidden layers.
  public var layers = [256, 128]
  /// Hidden-layer activation.
  public var activation = ActivationName.relu
  /// Loss function; nil for cross-entropy with classes, and the mean squared error with numbers.
  public var loss: LossName?
  /// The difference from which the Huber loss is linear; nil for 1.
  public var huberDelta: Double?
  /// The quantile that the quantile loss estimates; nil for the median, 0.5.
  public var quantile: Double?
  /// The share of each target that is spread evenly over all classes.
  public var labelSmoothing = 0.0
  /// Normalization of the layers' inputs; nil for batch norm, unless ``batchNorm`` is off.
  public var norm: NormName?
  /// Weights of the classes in the training loss; nil for none.
  public var classWeight: ClassWeights?
  /// Mode of batch normalization.
  public var batchNorm = BatchNormName.synchronized
  /// Gradient through batch normalization.
  public var batchNormBackward = BatchNormBackwardName.exact
  /// Fraction of the running statistics that a step keeps; step k keeps at most 1 - 1/k.
  public var batchNormMomentum = 0.9
  /// Added to variances in batch and layer normalization.
  public var epsilon = 1e-5
  /// Whether each hidden layer after one of the same width has a residual connection.
  public var residual = false
  /// Probabilities of dropout after hidden layers: one for all, or one each; empty for none.
  public var dropout: [Double] = []
  /// Probability of dropout of the inputs.
  public var inputDropout = 0.0

  /// Optimizer.
  public var optimizer = OptimizerName.adam
  /// Learning rate; nil for the optimizer's default.
  public var learningRate: Double?
  /// Batch size that `learningRate` is meant for; the rate is scaled linearly to `batch`.
  public var scaleLearningRate: Int?
  /// Momentum of SGD, RMSProp and LARS.
  public var momentum = 0.0
  /// Whether momentum is Nesterov's.
  public var nesterov = false
  /// Weight decay.
  public var weightDecay = 0.0
  /// Decay rate of the first moment of Adam and LAMB.
  public var beta1 = 0.9
  /// Decay rate of the second moment of Adam and LAMB.
  public var beta2 = 0.999
  /// Decay rate of RMSProp's average of squared gradients.
  public var rho = 0.99
  /// Trust coefficient of LARS.
  public var trustCoefficient = 0.001
  /// Learning-rate schedule.
  public var schedule = ScheduleName.constant
  /// Steps of linear warmup.
  public var warmupSteps = 0
  /// Steps per decay of the step and exponential schedules; nil for a third of all steps.
  public var decayEvery: Int?
  /// Factor of each decay of the step, exponential and plateau schedules.
  public var decayFactor = 0.1
  /// Evaluations without improvement before the plateau schedule reduces the learning rate.
  public var plateauPatience = 10
  /// Maximum norm of the global gradient; nil for no clipping.
  public var clipNorm: Double?
  /// Maximum norm of each row of a weight matrix; nil for no limit.
  public var maxNorm: Double?

  /// Gradient exchange.
  public var exchange = ExchangeOptions.Mode.sharded
  /// Communication pattern of the exchange.
  public var exchangeSchedule = ExchangeOptions.Schedule.auto
  /// Transport between ranks on one host.
  public var transport = ExchangeOptions.Transport.auto
  /// Approximate size of a gradient bucket in megabytes.
  public var bucketMegabytes = Double(ExchangeOptions.defaultBucketBytes) / 1_048_576
  /// Whether ranks may differ in build and instruction set; the bits are then not guaranteed.
  public var allowsMixedHardware = false

  /// Run directory; nil for one named after time and data.
  public var run: String?
  /// Whether an existing run directory is replaced.
  public var overwrite = false
  /// The checkpoint that training resumes from; nil to start anew.
  public var resume: ResumeSource?
  /// Steps between checkpoints; nil for the first and the last step only, which always have one.
  public var checkpointEvery: Int?
  /// Number of newest checkpoints kept besides the best one; nil for all but former best ones that
  /// nothing else asks for.
  public var keep: Int?
  /// Whether training pauses while a checkpoint is written.
  public var waitsForCheckpoints = false

  /// Epochs between evaluations on the held-out rows.
  public var evaluateEvery = 1
  /// Evaluations without improvement after which training stops; nil for never.
  public var patience: Int?
  /// The metric on held-out rows that early stopping, the best checkpoint and the plateau schedule go
  /// by; nil for the loss.
  public var monitor: MetricName?
  /// The change of that metric that an improvement must exceed.
  public var minDelta = 0.0
  /// Metrics of the held-out rows besides loss and accuracy, or the scores of regression.
  public var metrics: [MetricName] = []
  /// Steps between metrics records.
  public var logEvery = 10
  /// Steps between digests, which are compared over all ranks; nil for each logged step.
  public var digestEvery: Int?
  /// Whether the first steps are traced.
  public var trace = false
  /// Number of traced steps.
  public var traceSteps = 100

  /// The defaults.
  public init() {}

  /// Number of epochs if neither `epochs` nor `steps` is set.
  static let defaultEpochs = 10
}

// MARK: - Declarations

/// A group of related options, under one title in the help.
///
/// Their order is that of `config.yaml` and of the help.
package struct OptionSection: Sendable {
  package let title: String
  package let options: [OptionDeclaration]

  private init(_ title: String, _ options: [OptionDeclaration]) {
    self.title = title
    self.options = options
  }

  package static let all = [data, network, optimizer, communication, runDirectory, logging]

  package static let data = OptionSection(
    "Data",
    [
      OptionDeclaration("data", \.data, "", isPositional: true),
      OptionDeclaration(
        "target", \.targetColumns,
        "Target column of a table, by name or number; several separated by commas.",
        unset: "last column", valueName: "columns"),
      OptionDeclaration(
        "features", \.featureColumns,
        "Feature columns of a table, by name or number; several separated by commas.",
        unset: "all but the target", valueName: "columns"),
      OptionDeclaration(
        "ignore", \.ignoredColumns, "Columns of a table to leave out, such as an id.",
        unset: "none", valueName: "columns"),
      OptionDeclaration(
        "categorical", \.categoricalColumns,
        "Columns of a table that are categories although they hold numbers.",
        unset: "columns with words", valueName: "columns"),
      OptionDeclaration(
        "weights", \.weightsColumn,
        "Column of a table with the weight of each row in the training loss; no feature.",
        unset: "none", valueName: "column",
        affectsResult: .when { !$0.weightsColumn.names.isEmpty }),
      OptionDeclaration(
        "max-levels", \.maxLevels,
        "Largest number of inputs for a categorical column; the rarest levels share one.",
        .from(2, to: 1_048_576)),
      OptionDeclaration(
        "missing", \.missing,
        """
        Missing cells of features: filled with the mean of the training rows (in a categorical \
        column: a level of its own), the row dropped, or refused.
        """),
      OptionDeclaration("header", \.header, "Whether the first line of a table is a header."),
      OptionDeclaration(
        "separator", \.separator, "What separates the fields of a table.", unset: "found out"),
      OptionDeclaration(
        "target-scale", \.targetScale,
        """
        Targets that are numbers: standardized for training, or taken as they are; auto takes \
        them as they are with --loss poisson and binary-cross-entropy.
        """,
        affectsResult: .when { $0.loss?.standardizesTargets == true }),
      OptionDeclaration(
        "validation", \.validation,
        "Data to evaluate on, in any form that DATA can have, instead of rows of DATA.",
        unset: "none", valueName: "data"),
      OptionDeclaration(
        "validation-split", \.validationSplit,
        "Fraction of rows to hold out for evaluation, unless the data have a test set.",
        .fraction, affectsResult: .always),
      OptionDeclaration(
        "batch", \.batch, "Rows per global batch, over all ranks.", .from(1, to: 1 << 30),
        affectsResult: .always),
      OptionDeclaration(
        "drop-last", \.dropLast, "Drop the last batch of an epoch if it is incomplete.",
        affectsResult: .always),
      OptionDeclaration(
        "epochs", \.epochs, "Number of epochs.", .from(1, to: 1_000_000),
        unset: "\(TrainingOptions.defaultEpochs)", affectsResult: .when { $0.steps == nil }),
      OptionDeclaration(
        "steps", \.steps, "Number of steps, instead of --epochs.", .atLeast(1),
        affectsResult: .when { $0.steps != nil }),
      OptionDeclaration("seed", \.seed, "Random seed.", affectsResult: .always),
      OptionDeclaration(
        "slices", \.slices,
        """
        Slices per global batch (micro-batches that fix the order of sums): the same number gives \
        the same bits on any number of ranks.
        """,
        .from(1, to: 65536), unset: "number of ranks", affectsResult: .always),
    ])

  package static let network = OptionSection(
    "Network",
    [
      OptionDeclaration(
        "layers", \.layers, "Widths of the hidden layers, separated by commas; \"\" for none.",
        .widths, affectsResult: .always),
      OptionDeclaration(
        "activation", \.activation, "Hidden-layer activation.", affectsResult: .always),
      OptionDeclaration(
        "loss", \.loss,
        """
        Loss function: cross-entropy for classes, binary-cross-entropy for columns of 0 and 1, \
        poisson for counts, mse, mae, huber and quantile for numbers; mse also takes classes, as \
        one-hot rows.
        """,
        unset: "cross-entropy for classes, mse for numbers", affectsResult: .always),
      OptionDeclaration(
        "huber-delta", \.huberDelta,
        "Difference, in units of the scaled target, beyond which --loss huber is linear.",
        .positive, unset: "1", affectsResult: .when { $0.loss == .huber }),
      OptionDeclaration(
        "quantile", \.quantile, "Quantile that --loss quantile estimates.", .openFraction,
        unset: "0.5", affectsResult: .when { $0.loss == .quantile }),
      OptionDeclaration(
        "label-smoothing", \.labelSmoothing,
        "Share of each target spread evenly over all classes; requires --loss cross-entropy.",
        .fraction, affectsResult: .when { $0.labelSmoothing != 0 }),
      OptionDeclaration(
        "norm", \.norm,
        "Normalization of the inputs of each layer: over the batch, over the features, or none.",
        unset: "batch", affectsResult: .when { $0.norm == .layer }),
      OptionDeclaration(
        "class-weight", \.classWeight,
        """
        Weights of the classes in the training loss: balanced (rows / (classes * rows of the class)), \
        or LABEL:WEIGHT separated by commas.
        """,
        unset: "none", valueName: "weights", affectsResult: .when { $0.classWeight != nil }),
      OptionDeclaration(
        "batch-norm", \.batchNorm,
        "Batch normalization over the global batch, over each rank's rows, or off (--norm none).",
        affectsResult: .always),
      OptionDeclaration(
        "batch-norm-backward", \.batchNormBackward,
        "Gradient through batch normalization: exact, or with the statistics as constants.",
        affectsResult: .when(\.hasBatchNorm)),
      OptionDeclaration(
        "batch-norm-momentum", \.batchNormMomentum,
        "Fraction of the running statistics that each step keeps; step k at most 1 - 1/k.",
        .openFraction, affectsResult: .when(\.hasBatchNorm)),
      OptionDeclaration(
        "epsilon", \.epsilon,
        "Added to variances in batch and layer normalization for numerical stability.", .positive,
        affectsResult: .when { $0.normName != .off }),
      OptionDeclaration(
        "residual", \.residual,
        "Add the inputs of each hidden layer to its outputs where both hidden widths are equal.",
        affectsResult: .when(\.residual)),
      OptionDeclaration(
        "dropout", \.dropout,
        """
        Probability that training sets an output of a hidden layer to zero: one number, or one \
        per hidden layer separated by commas.
        """,
        .fraction, unset: "none", valueName: "p", affectsResult: .when { !$0.dropout.isEmpty }),
      OptionDeclaration(
        "input-dropout", \.inputDropout,
        "Probability that training sets an input of the network to zero.", .fraction,
        valueName: "p", affectsResult: .when { $0.inputDropout != 0 }),
    ])

  package static let optimizer = OptionSection(
    "Optimizer",
    [
      OptionDeclaration("optimizer", \.optimizer, "Optimizer.", affectsResult: .always),
      OptionDeclaration(
        "learning-rate", \.learningRate, "Learning rate.", .positive,
        unset: OptimizerName.defaultLearningRates, affectsResult: .always),
      OptionDeclaration(
        "scale-learning-rate", \.scaleLearningRate,
        "Scale the learning rate linearly: multiply it by --batch and divide it by this batch size.",
        .atLeast(1), valueName: "batch"),
      OptionDeclaration(
        "momentum", \.momentum, "Momentum; requires --optimizer sgd, rmsprop or lars.", .fraction,
        affectsResult: .when(\.optimizer.hasMomentum)),
      OptionDeclaration(
        "nesterov", \.nesterov, "Use Nesterov momentum; requires --momentum.",
        affectsResult: .when { $0.optimizer == .sgd }),
      OptionDeclaration(
        "weight-decay", \.weightDecay,
        """
        Weight decay: decoupled (AdamW) with adam and lamb, added to the gradient with the others.
        """,
        .nonnegative, affectsResult: .always),
      OptionDeclaration(
        "beta1", \.beta1, "Decay rate of the first moment; requires --optimizer adam or lamb.",
        .fraction, affectsResult: .when(\.optimizer.hasBetas)),
      OptionDeclaration(
        "beta2", \.beta2, "Decay rate of the second moment; requires --optimizer adam or lamb.",
        .fraction, affectsResult: .when(\.optimizer.hasBetas)),
      OptionDeclaration(
        "rho", \.rho,
        "Decay rate of the average of squared gradients; requires --optimizer rmsprop.", .fraction,
        affectsResult: .when { $0.optimizer == .rmsprop }),
      OptionDeclaration(
        "trust-coefficient", \.trustCoefficient,
        "Norm of a step relative to that of the weights; requires --optimizer lars.", .positive,
        affectsResult: .when { $0.optimizer == .lars }),
      OptionDeclaration(
        "schedule", \.schedule, "Learning-rate schedule.", affectsResult: .always),
      OptionDeclaration(
        "warmup-steps", \.warmupSteps, "Steps of linear learning-rate warmup.", .atLeast(0),
        affectsResult: .always),
      OptionDeclaration(
        "decay-every", \.decayEvery,
        "Steps in which the learning rate decays once; requires --schedule step or exponential.",
        .atLeast(1), unset: "a third of all steps", affectsResult: .when(\.schedule.hasDecay)),
      OptionDeclaration(
        "decay-factor", \.decayFactor,
        """
        Factor that each decay multiplies the learning rate by; requires --schedule step, \
        exponential or plateau.
        """,
        .above(0, atMost: 1), affectsResult: .when(\.schedule.hasDecayFactor)),
      OptionDeclaration(
        "plateau-patience", \.plateauPatience,
        """
        Evaluations without improvement of --monitor that pass before the learning rate decays; \
        requires --schedule plateau.
        """,
        .from(0, to: 1_000_000), affectsResult: .when { $0.schedule == .plateau }),
      OptionDeclaration(
        "clip-norm", \.clipNorm, "Maximum norm of the global gradient.", .positive,
        unset: "none", affectsResult: .always),
      OptionDeclaration(
        "max-norm", \.maxNorm,
        "Maximum norm of each unit's incoming weights; longer ones are scaled down to it.",
        .positive, unset: "none", affectsResult: .when { $0.maxNorm != nil }),
    ])

  package static let communication = OptionSection(
    "Communication",
    [
      OptionDeclaration(
        "exchange", \.exchange,
        "Gradient exchange: each rank updates a shard of the weights, or all of them."),
      OptionDeclaration(
        "exchange-schedule", \.exchangeSchedule,
        """
        Communication pattern: every rank with every other, recursive halving, or whichever is \
        expected to be faster.
        """),
      OptionDeclaration(
        "transport", \.transport,
        """
        Transport between ranks on one host: shared memory (auto), or MPI messages as between \
        hosts.
        """),
      OptionDeclaration(
        "bucket-mb", \.bucketMegabytes, "Size of a gradient bucket in megabytes.",
        .above(0, atMost: 1024)),
      OptionDeclaration(
        "allow-mixed-hardware", \.allowsMixedHardware,
        """
        Warn instead of failing if hosts differ in build or instruction set; results may then \
        differ in bits.
        """),
    ])

  package static let runDirectory = OptionSection(
    "Run directory and checkpoints",
    [
      OptionDeclaration(
        "run", \.run, "Run directory.", unset: "runs/TIME-NAME", valueName: "folder",
        isRecorded: false),
      OptionDeclaration(
        "overwrite", \.overwrite, "Replace an existing run directory.", isRecorded: false),
      OptionDeclaration(
        "resume", \.resume,
        "Resume from the newest intact checkpoint of --run, or from a checkpoint file.",
        valueName: "file", impliedValue: ResumeSource.newestName, isRecorded: false),
      OptionDeclaration(
        "checkpoint-every", \.checkpointEvery, "Steps between checkpoints.", .atLeast(1),
        unset: "first and last step only"),
      OptionDeclaration(
        "keep", \.keep,
        """
        Number of newest checkpoints to keep; the best one (by --monitor, or else the lowest \
        held-out loss) is kept too.
        """,
        .atLeast(1), unset: "all"),
      OptionDeclaration(
        "wait-for-checkpoints", \.waitsForCheckpoints,
        "Pause training while a checkpoint is written, which needs less memory.",
        unset: "no, unless memory is short"),
    ])

  package static let logging = OptionSection(
    "Evaluation and logging",
    [
      OptionDeclaration(
        "evaluate-every", \.evaluateEvery, "Epochs between evaluations on the held-out rows.",
        .atLeast(1), affectsResult: .when(\.monitorsHeldOutRows)),
      OptionDeclaration(
        "patience", \.patience,
        "Early stopping: evaluations without improvement of --monitor after which training stops.",
        .from(1, to: 1_000_000), unset: "no early stopping",
        affectsResult: .when { $0.patience != nil }),
      OptionDeclaration(
        "monitor", \.monitor,
        """
        Metric on the held-out rows that decides about early stopping, the best checkpoint \
        (checkpoints/best) and --schedule plateau.
        """,
        unset: "loss", affectsResult: .when(\.monitorsHeldOutRows)),
      OptionDeclaration(
        "min-delta", \.minDelta,
        "Change of --monitor that an improvement must exceed.",
        .nonnegative, affectsResult: .when(\.monitorsHeldOutRows)),
      OptionDeclaration(
        "metrics", \.metrics,
        """
        Metrics of the held-out rows to log besides the default ones, separated by commas: \
        \(MetricName.allCases.map(\.rawValue).joined(separator: ", ")).
        """,
        unset: "none", valueName: "names"),
      OptionDeclaration(
        "log-every", \.logEvery, "Steps between metrics records.", .atLeast(1)),
      OptionDeclaration(
        "digest-every", \.digestEvery,
        "Steps between digests of the weights, which are compared over all ranks.", .atLeast(1),
        unset: "each logged step"),
      OptionDeclaration(
        "trace", \.trace,
        "Write trace.json, a timeline of the first steps on every rank, for Perfetto."),
      OptionDeclaration(
        "trace-steps", \.traceSteps, "Number of steps that --trace records.",
        .from(1, to: 100_000)),
    ])
}

// MARK: - Derived values

extension TrainingOptions {
  /// How the data are read.
  public var loadOptions: LoadOptions {
    var load = LoadOptions(
      targets: loss.map { $0.takesClasses ? .classes : .numeric } ?? .automatic)
    load.table.separator = separator
    load.table.header = header == .auto ? nil : header == .yes
    load.table.target = targetColumns.names
    load.table.features = featureColumns.names
    load.table.ignored = ignoredColumns.names
    load.table.categorical = categoricalColumns.names
    load.table.weights = weightsColumn.names.first
    load.table.maxLevels = maxLevels
    load.table.missing = missing
    load.heldOutFraction = validation == nil ? validationSplit : 0
    load.seed = seed
    load.standardizesTargets = standardizesTargets
    return load
  }

  /// The loss function, that of classes if none is chosen.
  public var lossName: LossName { loss ?? .crossEntropy }

  /// The parameters of the loss function; nil if all have their defaults.
  var lossParameters: LossParameters? {
    let parameters = LossParameters(
      delta: lossName == .huber ? huberDelta : nil,
      quantile: lossName == .quantile ? quantile : nil,
      labelSmoothing: labelSmoothing == 0 ? nil : labelSmoothing)
    return parameters == LossParameters() ? nil : parameters
  }

  /// Whether targets that are numbers are standardized.
  var standardizesTargets: Bool {
    switch targetScale {
    case .auto: loss?.standardizesTargets ?? true
    case .standard: true
    case .none: false
    }
  }

  /// The normalization of the layers' inputs.
  public var normName: NormName { norm ?? (batchNorm == .off ? .off : .batch) }

  /// Whether the layers' inputs are normalized over the batch.
  var hasBatchNorm: Bool { normName == .batch }

  /// The dropout of inputs and hidden layers.
  public var dropoutProbabilities: DropoutProbabilities {
    DropoutProbabilities(inputs: inputDropout, hidden: dropout)
  }

  /// The learning rate with its default and its scaling.
  public var resolvedLearningRate: Double {
    guard let scaleLearningRate else { return unscaledLearningRate }
    return unscaledLearningRate * Double(batch) / Double(scaleLearningRate)
  }

  /// The learning rate with its default.
  var unscaledLearningRate: Double { learningRate ?? optimizer.defaultLearningRate }

  /// The number of steps of a run.
  public func totalSteps(stepsPerEpoch: Int) -> Int {
    steps ?? (epochs ?? Self.defaultEpochs) * stepsPerEpoch
  }

  /// A new optimizer with these options.
  public var makeOptimizer: any Optimizer {
    switch optimizer {
    case .adam:
      AdamOptimizer(beta1: beta1, beta2: beta2, weightDecay: weightDecay)
    case .sgd:
      VanillaSGDOptimizer(
        momentum: Float(momentum), nesterov: nesterov, weightDecay: Float(weightDecay))
    case .rmsprop:
      RMSPropOptimizer(
        rho: rho, momentum: Float(momentum), weightDecay: Float(weightDecay))
    case .lamb:
      LAMBOptimizer(beta1: beta1, beta2: beta2, weightDecay: weightDecay)
    case .lars:
      LARSOptimizer(
        momentum: Float(momentum), weightDecay: Float(weightDecay),
        trustCoefficient: trustCoefficient)
    }
  }

  /// The learning rates of a run of that many steps.
  public func makeSchedule(totalSteps: Int) -> LearningRateSchedule {
    let shape: LearningRateSchedule.Shape =
      switch schedule {
      case .constant, .plateau: .constant
      case .step: .step(every: decayEvery ?? Swift.max(totalSteps / 3, 1), factor: decayFactor)
      case .exponential:
        .exponential(every: decayEvery ?? Swift.max(totalSteps / 3, 1), factor: decayFactor)
      case .cosine: .cosine(totalSteps: totalSteps)
      case .oneCycle: .oneCycle(totalSteps: totalSteps)
      }
    return LearningRateSchedule(
      base: resolvedLearningRate, shape: shape, warmupSteps: warmupSteps)
  }
}

extension OptimizerName {
  /// Whether `momentum` applies.
  var hasMomentum: Bool { [.sgd, .rmsprop, .lars].contains(self) }
  /// Whether `beta1` and `beta2` apply.
  var hasBetas: Bool { [.adam, .lamb].contains(self) }

  /// The learning rate if none is set.
  var defaultLearningRate: Double {
    switch self {
    case .adam, .rmsprop: 1e-3
    case .lamb: 3e-3
    case .sgd: 1e-2
    case .lars: 1
    }
  }

  /// All of them, for the help.
  static let defaultLearningRates =
    "1e-3 for adam and rmsprop, 3e-3 for lamb, 1e-2 for sgd, 1 for lars"
}

extension ScheduleName {
  /// Whether `decayEvery` applies.
  var hasDecay: Bool { [.step, .exponential].contains(self) }

  /// Whether `decayFactor` applies.
  var hasDecayFactor: Bool { hasDecay || self == .plateau }

  /// Whether the learning rates of all steps depend on the number of steps.
  func dependsOnLength(_ options: TrainingOptions) -> Bool {
    switch self {
    case .constant, .plateau: false
    case .cosine, .oneCycle: true
    case .step, .exponential: options.decayEvery == nil
    }
  }
}
