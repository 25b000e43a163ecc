// SPDX-License-Identifier: Apache-2.0
internal import CVectorMath
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

  /// How many elements ahead parameters are fetched.
  private static let distance = 1024

  public func updateGradients(_ shard: OptimizerShard, _ update: ParameterUpdate) {
    let factors = Factors(self, update, decays: shard.decays, scale: shard.gradientScale)
    let (w, g) = (shard.parameters, shard.gradients)
    let (m, v) = (shard.moment(0), shard.moment(1))
    let count = shard.count
    Vectors.forEach(count) { i, lanes in
      // Neighbours have read the line since it was written last: taking it back takes a while.
      if i &+ Self.distance < count { clockstep_prefetch_to_write(w + i + Self.distance) }
      let new = factors.step(
        Vectors.load(w + i, count: lanes), Vectors.load(g + i, count: lanes),
        Vectors.load(m + i, count: lanes), Vectors.load(v + i, count: lanes))
      Vectors.store(new.w, to: w + i, count: lanes)
      Vectors.store(new.m, to: m + i, count: lanes)
      Vectors.store(new.v, to: v + i, count: lanes)
    }
  }

  /// The numbers of one update, rounded to Float32 once.
  private struct Factors {
    let keep, rate, b1, c1, b2, c2, secondCorrection, epsilon, scale: Float

    init(_ adam: AdamOptimizer, _ update: ParameterUpdate, decays: Bool, scale: Float) {
      let t = Double(update.number)
      secondCorrection = Float(1 / (1 - pow(adam.beta2, t)))
      rate = Float(update.learningRate / (1 - pow(adam.beta1, t)))
      keep = Float(1 - (decays ? update.learningRate * adam.weightDecay : 0))
      (b1, c1) = (Float(adam.beta1), Float(1 - adam.beta1))
      (b2, c2) = (Float(adam.beta2), Float(1 - adam.beta2))
      epsilon = Float(adam.epsilon)
      self.scale = scale
    }

    @inline(__always)
    func step(
      _ w: Vectors.Vector, _ g: Vectors.Vector, _ m: Vectors.Vector, _ v: Vectors.Vector
    ) -> (w: Vectors.Vector, m: Vectors.Vector, v: Vectors.Vector) {
      let gradient = g * scale
      let first = b1 * m + c1 * gradient
      let second = b2 * v + c2 * (gradient * gradient)
      let root = clockstep_square_root(second * secondCorrection) + epsilon
      return (keep * w - rate * first / root, first, second)
    }
  }
}
