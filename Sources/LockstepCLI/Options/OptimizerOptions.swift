// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Training

/// The options about the optimizer and its learning rate.
struct OptimizerOptions: ParsableArguments {
  @Option(help: "How gradients become new weights.")
  var optimizer = OptimizerName.adam

  @Option(help: "The learning rate. (default: 1e-3 for adam, 1e-2 for sgd)")
  var learningRate: Double?

  @Option(
    help: ArgumentHelp(
      "Multiply the learning rate by the batch over this batch size.", valueName: "batch"))
  var scaleLearningRate: Int?

  @Option(help: "The momentum of sgd.")
  var momentum = 0.0

  @Flag(help: "Nesterov's momentum.")
  var nesterov = false

  @Option(help: "The decay of weights; decoupled (AdamW) with adam.")
  var weightDecay = 0.0

  @Option(help: "Adam's decay of the first moment.")
  var beta1 = 0.9

  @Option(help: "Adam's decay of the second moment.")
  var beta2 = 0.999

  @Option(help: "How the learning rate goes on.")
  var schedule = ScheduleName.constant

  @Option(help: "Over how many steps the learning rate rises first.")
  var warmupSteps = 0

  @Option(help: "With --schedule step: steps between falls. (default: a third of all)")
  var decayEvery: Int?

  @Option(help: "With --schedule step: what the learning rate is multiplied by.")
  var decayFactor = 0.1

  @Option(help: "The greatest norm of the whole gradient. (default: none)")
  var clipNorm: Double?

  func apply(to options: inout TrainingOptions) {
    options.optimizer = optimizer
    options.learningRate = learningRate
    options.scaleLearningRate = scaleLearningRate
    options.momentum = momentum
    options.nesterov = nesterov
    options.weightDecay = weightDecay
    options.beta1 = beta1
    options.beta2 = beta2
    options.schedule = schedule
    options.warmupSteps = warmupSteps
    options.decayEvery = decayEvery
    options.decayFactor = decayFactor
    options.clipNorm = clipNorm
  }
}
