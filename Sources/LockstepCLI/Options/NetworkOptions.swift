// SPDX-License-Identifier: Apache-2.0
public import ArgumentParser
public import Training

extension ActivationName: ExpressibleByArgument {}
extension LossName: ExpressibleByArgument {}
extension OptimizerName: ExpressibleByArgument {}
extension ScheduleName: ExpressibleByArgument {}
extension BatchNormName: ExpressibleByArgument {}
extension BatchNormBackwardName: ExpressibleByArgument {}

/// The options about the network.
struct NetworkOptions: ParsableArguments {
  @Option(help: "Widths of the hidden layers, separated by commas; \"\" for none.")
  var layers = "256,128"

  @Option(help: "What hidden layers end in.")
  var activation = ActivationName.relu

  @Option(help: "What is minimised; mse takes numeric targets, or classes as one-hot rows.")
  var loss = LossName.crossEntropy

  @Option(help: "How inputs of layers are normalised.")
  var batchNorm = BatchNormName.synchronized

  @Option(help: "The gradient through batch norm: the true one, or statistics as constants.")
  var batchNormBackward = BatchNormBackwardName.exact

  @Option(help: "The share of the running statistics that a step keeps.")
  var batchNormMomentum = 0.9

  @Option(help: "What is added to variances under the root.")
  var epsilon = 1e-5

  func apply(to options: inout TrainingOptions) throws {
    options.layers = try layers.split(separator: ",").map { width in
      guard let number = Int(width) else {
        throw ValidationError("--layers \(layers): must be widths such as 256,128")
      }
      return number
    }
    options.activation = activation
    options.loss = loss
    options.batchNorm = batchNorm
    options.batchNormBackward = batchNormBackward
    options.batchNormMomentum = batchNormMomentum
    options.epsilon = epsilon
  }
}
