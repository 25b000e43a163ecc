// SPDX-License-Identifier: Apache-2.0
public import Coordination
public import NeuralCore

/// The functions that hidden layers can end in, by the names of the command line.
public enum ActivationName: String, Codable, CaseIterable, Sendable {
  /// The rectifier.
  case relu
  /// The logistic function.
  case sigmoid
  /// No function.
  case identity

  /// The function of that name.
  public var function: any ActivationFunction {
    switch self {
    case .relu: Relu()
    case .sigmoid: Sigmoid()
    case .identity: Identity()
    }
  }
}

/// The losses, by the names of the command line.
public enum LossName: String, Codable, CaseIterable, Sendable {
  /// Cross-entropy of softmax, for classes.
  case crossEntropy = "cross-entropy"
  /// Mean squared error, for numbers, or for classes as one-hot rows.
  case meanSquaredError = "mse"

  /// The loss of that name.
  public var function: any LossFunction {
    switch self {
    case .crossEntropy: CrossEntropy()
    case .meanSquaredError: MeanSquaredError()
    }
  }
}

/// The optimizers, by the names of the command line.
public enum OptimizerName: String, Codable, CaseIterable, Sendable {
  /// Adam, or AdamW with weight decay.
  case adam
  /// Gradient descent, with momentum if wanted.
  case sgd
}

/// The shapes of the learning rate, by the names of the command line.
public enum ScheduleName: String, Codable, CaseIterable, Sendable {
  /// It stays.
  case constant
  /// It falls in steps.
  case step
  /// It falls to zero along half a cosine wave.
  case cosine
}

/// How inputs of layers are normalized, by the names of the command line.
public enum BatchNormName: String, Codable, CaseIterable, Sendable {
  /// Over the whole batch, on all ranks.
  case synchronized
  /// Over each rank's rows of the batch.
  case local
  /// Not at all.
  case off
}

/// Which gradient goes back through batch norm, by the names of the command line.
public enum BatchNormBackwardName: String, Codable, CaseIterable, Sendable {
  /// The true one.
  case exact
  /// The one with statistics taken as constants.
  case frozen
}

/// The checkpoint that training resumes from.
public enum ResumeSource: Equatable, Sendable {
  /// The newest intact checkpoint of the run, which continues in its directory.
  case newest
  /// The checkpoint in a file; the run has a directory of its own.
  case file(String)

  /// The source that a command line or a configuration file names: `newest`, or a file.
  public init(_ text: String) { self = text == "newest" ? .newest : .file(text) }
}

/// Everything that can be chosen about a training run, with its defaults.
public struct TrainingOptions: Equatable, Sendable {
  /// The DATA argument.
  public var data = ""
  /// The target columns of a table, by name or number; the last if empty.
  public var targetColumns: [String] = []
  /// The widths of the hidden layers.
  public var layers = [256, 128]
  /// What hidden layers end in.
  public var activation = ActivationName.relu
  /// What is minimized.
  public var loss = LossName.crossEntropy
  /// How gradients become new weights.
  public var optimizer = OptimizerName.adam
  /// The learning rate; nil for 1e-3 with Adam and 1e-2 with SGD.
  public var learningRate: Double?
  /// The batch size that the learning rate is meant for; it grows with the batch then.
  public var scaleLearningRate: Int?
  /// SGD's momentum.
  public var momentum = 0.0
  /// Whether momentum looks ahead.
  public var nesterov = false
  /// The decay of weights.
  public var weightDecay = 0.0
  /// Adam's decay of the first moment.
  public var beta1 = 0.9
  /// Adam's decay of the second moment.
  public var beta2 = 0.999
  /// The shape of the learning rate.
  public var schedule = ScheduleName.constant
  /// Over how many steps the learning rate rises first.
  public var warmupSteps = 0
  /// After how many steps the step schedule falls; nil for a third of all.
  public var decayEvery: Int?
  /// What the step schedule multiplies by.
  public var decayFactor = 0.1
  /// The greatest global gradient norm.
  public var clipNorm: Double?
  /// Rows in a global batch.
  public var batch = 128
  /// How often all rows are gone through; nil for 10 unless `steps` is set.
  public var epochs: Int?
  /// How many steps are done.
  public var steps: Int?
  /// Whether a short last batch is left out.
  public var dropLast = false
  /// The share of rows that is held out when the source holds none out itself.
  public var validationSplit = 0.2
  /// The seed of all random numbers.
  public var seed: UInt64 = 0
  /// Into how many slices a batch is cut; nil for one a rank.
  public var slices: Int?
  /// How inputs of layers are normalized.
  public var batchNorm = BatchNormName.synchronized
  /// Which gradient goes back through batch norm.
  public var batchNormBackward = BatchNormBackwardName.exact
  /// The share of the running statistics that a step keeps.
  public var batchNormMomentum = 0.9
  /// What is added to variances under the root.
  public var epsilon = 1e-5
  /// How gradients are exchanged.
  public var exchange = ExchangeOptions.Mode.sharded
  /// How the parts of a gradient come to the rank that adds them up.
  public var exchangeSchedule = ExchangeOptions.Schedule.auto
  /// What ranks on one host exchange by.
  public var transport = ExchangeOptions.Transport.auto
  /// About how many megabytes of gradients are sent at a time.
  public var bucketMegabytes = Double(ExchangeOptions.defaultBucketBytes) / 1_048_576
  /// Whether ranks may differ in build and instruction set; the bits are not promised then.
  public var allowsMixedHardware = false
  /// The run directory; nil for one named after time and data.
  public var run: String?
  /// Whether a run directory that exists is replaced.
  public var overwrite = false
  /// The checkpoint that training resumes from.
  public var resume: ResumeSource?
  /// After how many steps a checkpoint is written, beside the first and the last step.
  public var checkpointEvery: Int?
  /// How many of the newest checkpoints are kept, beside the best one; nil for all.
  public var keep: Int?
  /// Whether training stands still while a checkpoint is written.
  public var waitsForCheckpoints = false
  /// After how many epochs the held-out rows are evaluated.
  public var evaluateEvery = 1
  /// After how many steps a line of metrics is written.
  public var logEvery = 10
  /// After how many steps the digest is computed and compared; nil for each logged step.
  public var digestEvery: Int?
  /// Whether the run's first steps are recorded, phase by phase.
  public var trace = false
  /// How many steps are recorded then.
  public var traceSteps = 100

  /// The defaults.
  public init() {}

  /// The defaults, to name one of them.
  public static let defaults = TrainingOptions()

  /// The learning rate with its default and its scaling.
  public var resolvedLearningRate: Double {
    guard let scaleLearningRate else { return unscaledLearningRate }
    return unscaledLearningRate * Double(batch) / Double(scaleLearningRate)
  }

  /// The learning rate with its default.
  var unscaledLearningRate: Double { learningRate ?? (optimizer == .adam ? 1e-3 : 1e-2) }

  /// How often all rows are gone through unless options say otherwise.
  static let defaultEpochs = 10

  /// How many steps a run has.
  public func totalSteps(stepsPerEpoch: Int) -> Int {
    steps ?? (epochs ?? Self.defaultEpochs) * stepsPerEpoch
  }

  /// The optimizer that these options ask for.
  public var makeOptimizer: any Optimizer {
    switch optimizer {
    case .adam:
      AdamOptimizer(beta1: beta1, beta2: beta2, weightDecay: weightDecay)
    case .sgd:
      VanillaSGDOptimizer(
        momentum: Float(momentum), nesterov: nesterov, weightDecay: Float(weightDecay))
    }
  }

  /// The learning rates that these options ask for, over a run of that many steps.
  public func makeSchedule(totalSteps: Int) -> LearningRateSchedule {
    let shape: LearningRateSchedule.Shape =
      switch schedule {
      case .constant: .constant
      case .step: .step(every: decayEvery ?? Swift.max(totalSteps / 3, 1), factor: decayFactor)
      case .cosine: .cosine(totalSteps: totalSteps)
      }
    return LearningRateSchedule(
      base: resolvedLearningRate, shape: shape, warmupSteps: warmupSteps)
  }
}
