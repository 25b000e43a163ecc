// SPDX-License-Identifier: Apache-2.0
internal import CVectorMath
internal import Foundation

/// An optimizer that scales the step of each weight tensor by a trust ratio, made from norms over the
/// whole tensor.
///
/// A tensor may be sharded over replicas, so an update has two passes. The first computes the step of
/// each shard before it is scaled; the replicas then add up the squares of parameters and steps, in
/// the fixed blocks of the parameters, so that the norms' bits don't depend on who owns which shard.
/// The second pass is ``Optimizer/updateGradients(_:_:)``, which finds the ratio in
/// ``OptimizerShard/trustRatio``. Parameters that are not decayed, such as biases, have the ratio 1.
public protocol LayerwiseOptimizer: Optimizer {
  /// The first pass: computes the step of each parameter, and updates the state that it depends on.
  ///
  /// - Parameter steps: receives ``OptimizerShard/count`` elements. They are not kept: the second
  ///   pass computes them again.
  func computeSteps(
    _ shard: OptimizerShard, into steps: UnsafeMutablePointer<Float>, _ update: ParameterUpdate)

  /// The trust ratio of a weight tensor whose parameters and steps have these Euclidean norms.
  ///
  /// It is not asked for if either is zero: the ratio is then 1.
  func trustRatio(parameterNorm: Double, stepNorm: Double) -> Double
}

/// LAMB: the step of AdamW, scaled for each weight tensor to the norm of its parameters.
///
///     m = beta1 * m + (1 - beta1) * g
///     v = beta2 * v + (1 - beta2) * g^2
///     r = (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon) + weightDecay * w
///     w = w - lr * |w| / |r| * r
///
/// t is the number of the update, 1 for the first; m and v start at 0. For biases, gamma and beta the
/// ratio is 1, and the decay 0; the ratio is also 1 if w or r is zero.
///
/// Source: You, Li, Reddi, Hseu, Kumar, Bhojanapalli, Song, Demmel, Keutzer, Hsieh, "Large Batch
/// Optimization for Deep Learning: Training BERT in 76 minutes", ICLR 2020
/// (https://arxiv.org/abs/1904.00962), algorithm 2 with phi(z) = z.
public struct LAMBOptimizer: LayerwiseOptimizer {
  /// The decay rate of the first moment.
  public let beta1: Double
  /// The decay rate of the second moment.
  public let beta2: Double
  /// The term added to the denominator for numerical stability.
  public let epsilon: Double
  /// The weight decay coefficient.
  public let weightDecay: Double

  /// Creates the optimizer; `beta1` and `beta2` must be in 0 ..< 1.
  public init(
    beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-6, weightDecay: Double = 0
  ) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  public var momentNames: [String] { ["first_moment", "second_moment"] }

  public func trustRatio(parameterNorm: Double, stepNorm: Double) -> Double {
    parameterNorm / stepNorm
  }

  public func computeSteps(
    _ shard: OptimizerShard, into steps: UnsafeMutablePointer<Float>, _ update: ParameterUpdate
  ) {
    let factors = Factors(self, update, decays: shard.decays)
    let scale = Vectors.broadcast(shard.gradientScale)
    let (w, g) = (UnsafePointer(shard.parameters), shard.gradients)
    let (m, v) = (shard.moment(0), shard.moment(1))
    let (b1, c1) = (Float(beta1), Float(1 - beta1))
    let (b2, c2) = (Float(beta2), Float(1 - beta2))
    Vectors.forEach(shard.count) { i, lanes in
      let gradient = Vectors.load(g + i, count: lanes) * scale
      let first = b1 * Vectors.load(m + i, count: lanes) + c1 * gradient
      let second = b2 * Vectors.load(v + i, count: lanes) + c2 * (gradient * gradient)
      Vectors.store(first, to: m + i, count: lanes)
      Vectors.store(second, to: v + i, count: lanes)
      let step = factors.step(Vectors.load(w + i, count: lanes), first, second)
      Vectors.store(step, to: steps + i, count: lanes)
    }
  }

  public func updateGradients(_ shard: OptimizerShard, _ update: ParameterUpdate) {
    let factors = Factors(self, update, decays: shard.decays)
    let rate = Vectors.broadcast(Float(update.learningRate * Double(shard.trustRatio)))
    let w = shard.parameters
    let (m, v) = (UnsafePointer(shard.moment(0)), UnsafePointer(shard.moment(1)))
    Vectors.forEach(shard.count) { i, lanes in
      let old = Vectors.load(w + i, count: lanes)
      let step = factors.step(
        old, Vectors.load(m + i, count: lanes), Vectors.load(v + i, count: lanes))
      Vectors.store(old - rate * step, to: w + i, count: lanes)
    }
  }

  /// The coefficients of one update, computed in Float64 and rounded to Float32 once.
  private struct Factors {
    let firstCorrection, secondCorrection, epsilon, decay: Float

    init(_ lamb: LAMBOptimizer, _ update: ParameterUpdate, decays: Bool) {
      let t = Double(update.number)
      firstCorrection = Float(1 / (1 - pow(lamb.beta1, t)))
      secondCorrection = Float(1 / (1 - pow(lamb.beta2, t)))
      epsilon = Float(lamb.epsilon)
      decay = decays ? Float(lamb.weightDecay) : 0
    }

    /// r of the new moments.
    @inline(__always)
    func step(
      _ w: Vectors.Vector, _ m: Vectors.Vector, _ v: Vectors.Vector
    ) -> Vectors.Vector {
      let root = clockstep_square_root(v * secondCorrection) + epsilon
      return m * firstCorrection / root + decay * w
    }
  }
}

/// LARS: SGD whose steps are scaled for each weight tensor by the ratio of the norms of parameters and
/// gradient.
///
///     ratio = trustCoefficient * |w| / (|g| + weightDecay * |w|)
///     v = momentum * v + ratio * (g + weightDecay * w)
///     w = w - lr * v
///
/// For biases, gamma and beta the ratio is 1, and the decay 0; the ratio is also 1 if w or g is zero.
///
/// Source: You, Gitman, Ginsburg, "Large Batch Training of Convolutional Networks", 2017
/// (https://arxiv.org/abs/1708.03888), algorithm 1; v does not contain lr, as in
/// ``VanillaSGDOptimizer``.
public struct LARSOptimizer: LayerwiseOptimizer {
  /// The momentum factor; 0 for none.
  public let momentum: Float
  /// The weight decay coefficient (L2 penalty).
  public let weightDecay: Float
  /// The trust coefficient: the norm of a step with learning rate 1, relative to the parameters.
  public let trustCoefficient: Double

  /// Creates the optimizer; `momentum` must be in 0 ..< 1.
  public init(momentum: Float = 0, weightDecay: Float = 0, trustCoefficient: Double = 0.001) {
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.trustCoefficient = trustCoefficient
  }

  public var momentNames: [String] { momentum == 0 ? [] : ["momentum"] }

  public func trustRatio(parameterNorm: Double, stepNorm: Double) -> Double {
    trustCoefficient * parameterNorm / (stepNorm + Double(weightDecay) * parameterNorm)
  }

  /// The steps of the first pass are the gradients: the norm of the decay follows from that of w.
  public func computeSteps(
    _ shard: OptimizerShard, into steps: UnsafeMutablePointer<Float>, _ update: ParameterUpdate
  ) {
    let (g, scale) = (shard.gradients, Vectors.broadcast(shard.gradientScale))
    Vectors.forEach(shard.count) { i, lanes in
      Vectors.store(Vectors.load(g + i, count: lanes) * scale, to: steps + i, count: lanes)
    }
  }

  public func updateGradients(_ shard: OptimizerShard, _ update: ParameterUpdate) {
    let rate = Vectors.broadcast(Float(update.learningRate))
    let decay = Vectors.broadcast(shard.decays ? weightDecay : 0)
    let scale = Vectors.broadcast(shard.gradientScale)
    let ratio = Vectors.broadcast(shard.trustRatio)
    let (w, g) = (shard.parameters, shard.gradients)
    guard momentum != 0 else {
      Vectors.forEach(shard.count) { i, lanes in
        let old = Vectors.load(w + i, count: lanes)
        let step = ratio * (Vectors.load(g + i, count: lanes) * scale + decay * old)
        Vectors.store(old - rate * step, to: w + i, count: lanes)
      }
      return
    }
    let (v, momentum) = (shard.moment(0), Vectors.broadcast(momentum))
    Vectors.forEach(shard.count) { i, lanes in
      let old = Vectors.load(w + i, count: lanes)
      let step = ratio * (Vectors.load(g + i, count: lanes) * scale + decay * old)
      let velocity = momentum * Vectors.load(v + i, count: lanes) + step
      Vectors.store(velocity, to: v + i, count: lanes)
      Vectors.store(old - rate * velocity, to: w + i, count: lanes)
    }
  }
}
