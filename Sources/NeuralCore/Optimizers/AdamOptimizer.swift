// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// Adam with bias correction, and AdamW when weight decay is set.
///
/// m = beta1 * m + (1 - beta1) * g;  v = beta2 * v + (1 - beta2) * g^2;
/// w -= lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon).
///
/// Source: Kingma, Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015. Weight decay is
/// decoupled, w -= lr * weightDecay * w before the step, and concerns weights only: Loshchilov,
/// Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
public struct AdamOptimizer: Optimizer {
  /// The decay of the first moment.
  public let beta1: Double
  /// The decay of the second moment.
  public let beta2: Double
  /// What is added to the root of the second moment.
  public let epsilon: Double
  /// The decoupled decay of the weights.
  public let weightDecay: Double

  /// Makes the rule; both betas are in 0 ..< 1.
  public init(
    beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0
  ) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  public var momentNames: [String] { ["first_moment", "second_moment"] }

  public func updateGradients(_ shard: OptimizerShard, _ update: ParameterUpdate) {
    let t = Double(update.number)
    let secondCorrection = Float(1 / (1 - pow(beta2, t)))
    let rate = Float(update.learningRate / (1 - pow(beta1, t)))
    let keep = Float(1 - (shard.decays ? update.learningRate * weightDecay : 0))
    let (b1, c1) = (Float(beta1), Float(1 - beta1))
    let (b2, c2) = (Float(beta2), Float(1 - beta2))
    let (scale, eps) = (shard.gradientScale, Float(epsilon))
    let (w, g) = (shard.parameters, shard.gradients)
    let (m, v) = (shard.moment(0), shard.moment(1))
    for i in 0..<shard.count {
      let gradient = g[i] * scale
      let first = b1 * m[i] + c1 * gradient
      let second = b2 * v[i] + c2 * (gradient * gradient)
      m[i] = first
      v[i] = second
      w[i] = keep * w[i] - rate * first / ((second * secondCorrection).squareRoot() + eps)
    }
  }
}
