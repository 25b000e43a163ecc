// SPDX-License-Identifier: Apache-2.0

/// Stochastic gradient descent: w -= lr * g.
///
/// With momentum, v = momentum * v + g and w -= lr * v; with Nesterov's form w -= lr * (g +
/// momentum * v) (Sutskever et al., "On the Importance of Initialization and Momentum in Deep
/// Learning", ICML 2013, in the form that frameworks use). Weight decay adds `weightDecay * w` to
/// the gradient of weights; biases, scales and shifts are not decayed.
public struct VanillaSGDOptimizer: Optimizer {
  /// The share of the last step's velocity that is kept; 0 for none.
  public let momentum: Float
  /// Whether the step looks ahead along the velocity.
  public let nesterov: Bool
  /// The factor of the weights that is added to their gradient.
  public let weightDecay: Float

  /// Makes the rule; momentum is in 0 ..< 1.
  public init(momentum: Float = 0, nesterov: Bool = false, weightDecay: Float = 0) {
    self.momentum = momentum
    self.nesterov = nesterov
    self.weightDecay = weightDecay
  }

  public var momentNames: [String] { momentum == 0 ? [] : ["momentum"] }

  public func updateGradients(_ shard: OptimizerShard, _ update: ParameterUpdate) {
    let rate = Float(update.learningRate)
    let decay = shard.decays ? weightDecay : 0
    let scale = shard.gradientScale
    let w = shard.parameters
    let g = shard.gradients
    guard momentum != 0 else {
      for i in 0..<shard.count {
        w[i] -= rate * (g[i] * scale + decay * w[i])
      }
      return
    }
    let v = shard.moment(0)
    for i in 0..<shard.count {
      let gradient = g[i] * scale + decay * w[i]
      let velocity = momentum * v[i] + gradient
      v[i] = velocity
      w[i] -= rate * (nesterov ? gradient + momentum * velocity : velocity)
    }
  }
}
