// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Training

/// The options about the optimizer and its learning rate; nil where the command line doesn't give
/// them.
struct OptimizerOptions: ParsableArguments {
  private static let defaults = TrainingOptions.defaults

  @Option(help: "How gradients become new weights. (default: \(defaults.optimizer))")
  var optimizer: OptimizerName?

  @Option(help: "The learning rate. (default: 1e-3 for adam, 1e-2 for sgd)")
  var learningRate: Double?

  @Option(
    help: ArgumentHelp(
      "Multiply the learning rate by the batch over this batch size.", valueName: "batch"))
  var scaleLearningRate: Int?

  @Option(help: "The momentum of sgd. (default: \(defaults.momentum))")
  var momentum: Double?

  @Flag(inversion: .prefixedNo, help: "Nesterov's momentum. (default: no)")
  var nesterov: Bool?

  @Option(
    help: "The decay of weights; decoupled (AdamW) with adam. (default: \(defaults.weightDecay))")
  var weightDecay: Double?

  @Option(help: "Adam's decay of the first moment. (default: \(defaults.beta1))")
  var beta1: Double?

  @Option(help: "Adam's decay of the second moment. (default: \(defaults.beta2))")
  var beta2: Double?

  @Option(help: "How the learning rate goes on. (default: \(defaults.schedule))")
  var schedule: ScheduleName?

  @Option(
    help: "Over how many steps the learning rate rises first. (default: \(defaults.warmupSteps))")
  var warmupSteps: Int?

  @Option(help: "With --schedule step: steps between falls. (default: a third of all)")
  var decayEvery: Int?

  @Option(
    help: """
      With --schedule step: what the learning rate is multiplied by. \
      (default: \(defaults.decayFactor))
      """)
  var decayFactor: Double?

  @Option(help: "The greatest norm of the whole gradient. (default: none)")
  var clipNorm: Double?

  func apply(to options: inout TrainingOptions) {
    options.optimizer = optimizer ?? options.optimizer
    options.learningRate = learningRate ?? options.learningRate
    options.scaleLearningRate = scaleLearningRate ?? options.scaleLearningRate
    options.momentum = momentum ?? options.momentum
    options.nesterov = nesterov ?? options.nesterov
    options.weightDecay = weightDecay ?? options.weightDecay
    options.beta1 = beta1 ?? options.beta1
    options.beta2 = beta2 ?? options.beta2
    options.schedule = schedule ?? options.schedule
    options.warmupSteps = warmupSteps ?? options.warmupSteps
    options.decayEvery = decayEvery ?? options.decayEvery
    options.decayFactor = decayFactor ?? options.decayFactor
    options.clipNorm = clipNorm ?? options.clipNorm
  }
}
