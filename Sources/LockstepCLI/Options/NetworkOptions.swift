// SPDX-License-Identifier: Apache-2.0
public import ArgumentParser
public import Training

extension ActivationName: ExpressibleByArgument {}
extension LossName: ExpressibleByArgument {}
extension OptimizerName: ExpressibleByArgument {}
extension ScheduleName: ExpressibleByArgument {}
extension BatchNormName: ExpressibleByArgument {}
extension BatchNormBackwardName: ExpressibleByArgument {}

/// The options about the network; nil where the command line doesn't give them.
struct NetworkOptions: ParsableArguments {
  private static let defaults = TrainingOptions.defaults

  @Option(
    help: "Widths of the hidden layers, separated by commas; \"\" for none. (default: 256,128)")
  var layers: String?

  @Option(help: "What hidden layers end in. (default: \(defaults.activation))")
  var activation: ActivationName?

  @Option(
    help: """
      What is minimized; mse takes numeric targets, or classes as one-hot rows. \
      (default: \(defaults.loss.rawValue))
      """)
  var loss: LossName?

  @Option(help: "How inputs of layers are normalized. (default: \(defaults.batchNorm))")
  var batchNorm: BatchNormName?

  @Option(
    help: """
      The gradient through batch norm: the true one, or statistics as constants. \
      (default: \(defaults.batchNormBackward))
      """)
  var batchNormBackward: BatchNormBackwardName?

  @Option(
    help: """
      The share of the running statistics that a step keeps. \
      (default: \(defaults.batchNormMomentum))
      """)
  var batchNormMomentum: Double?

  @Option(help: "What is added to variances under the root. (default: \(defaults.epsilon))")
  var epsilon: Double?

  func validate() throws {
    _ = try widths
  }

  private var widths: [Int]? {
    get throws {
      try layers.map { layers in
        try layers.split(separator: ",").map { width in
          guard let number = Int(width) else {
            throw ValidationError("--layers \(layers): must be widths such as 256,128")
          }
          return number
        }
      }
    }
  }

  func apply(to options: inout TrainingOptions) throws {
    options.layers = try widths ?? options.layers
    options.activation = activation ?? options.activation
    options.loss = loss ?? options.loss
    options.batchNorm = batchNorm ?? options.batchNorm
    options.batchNormBackward = batchNormBackward ?? options.batchNormBackward
    options.batchNormMomentum = batchNormMomentum ?? options.batchNormMomentum
    options.epsilon = epsilon ?? options.epsilon
  }
}
