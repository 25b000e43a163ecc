// SPDX-License-Identifier: Apache-2.0
internal import CVectorMath
internal import Foundation

/// An optimizer: the rule by which gradients update parameters.
///
/// An optimizer is a value without state of its own: its state, such as momentum, is stored beside
/// the parameters on the replica that updates them (``OptimizerState``). A custom optimizer has two
/// members:
///
/// ```swift
/// struct SignDescent: Optimizer {
///   let momentNames: [String] = []
///   func updateGradients(_ shard: OptimizerShard, _ update: ParameterUpdate) {
///     for i in 0..<shard.count {
///       shard.parameters[i] -= Float(update.learningRate) * (shard.gradients[i] > 0 ? 1 : -1)
///     }
///   }
/// }
/// ```
public protocol Optimizer: Sendable {
  /// The names of the state stored for each parameter, as in checkpoints: `first_moment`, …
  var momentNames: [String] { get }

  /// Updates some parameters, given their gradients.
  ///
  /// Every element must be treated alike: which elements a call gets depends on how parameters are
  /// sharded over replicas.
  func updateGradients(_ shard: OptimizerShard, _ update: ParameterUpdate)
}

/// A contiguous part of one tensor: parameters with their gradients and optimizer state.
public struct OptimizerShard {
  /// The parameters, to be updated in place.
  public let parameters: UnsafeMutablePointer<Float>
  /// The gradient of the global batch's loss with respect to each parameter.
  public let gradients: UnsafePointer<Float>
  /// The number of parameters.
  public let count: Int
  /// Whether weight decay applies to them.
  public let decays: Bool
  /// The factor to multiply each gradient by first: less than 1 when the global norm is clipped.
  public let gradientScale: Float
  /// The trust ratio of the tensor, in the second pass of a ``LayerwiseOptimizer``; otherwise 1.
  public let trustRatio: Float
  private let moments: UnsafeMutablePointer<Float>
  private let momentStride: Int

  package init(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    moments: UnsafeMutablePointer<Float>, momentStride: Int, count: Int, decays: Bool,
    gradientScale: Float, trustRatio: Float = 1
  ) {
    self.parameters = parameters
    self.gradients = gradients
    self.moments = moments
    self.momentStride = momentStride
    self.count = count
    self.decays = decays
    self.gradientScale = gradientScale
    self.trustRatio = trustRatio
  }

  /// The state at `index` of ``Optimizer/momentNames``, one element per parameter.
  public func moment(_ index: Int) -> UnsafeMutablePointer<Float> {
    moments + index * momentStride
  }
}

/// Stochastic gradient descent with optional momentum, as `torch.optim.SGD`.
///
///     g = gradient + weightDecay * w          weights only: biases, gamma and beta are not decayed
///     v = momentum * v + g
///     w = w - lr * v                          w - lr * (g + momentum * v) with Nesterov momentum
///
/// Source: Sutskever, Martens, Dahl, Hinton, "On the Importance of Initialization and Momentum in
/// Deep Learning", ICML 2013, in the form that PyTorch uses, in which v does not contain lr.
public struct VanillaSGDOptimizer: Optimizer {
  /// The momentum factor; 0 for none.
  public let momentum: Float
  /// Whether to use Nesterov momentum.
  public let nesterov: Bool
  /// The weight decay coefficient (L2 penalty).
  public let weightDecay: Float

  /// Creates the optimizer; `momentum` must be in 0 ..< 1.
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

/// Adam with bias correction, and AdamW if weight decay is set, as `torch.optim.AdamW`.
///
///     w = w - lr * weightDecay * w            weights only: biases, gamma and beta are not decayed
///     m = beta1 * m + (1 - beta1) * g
///     v = beta2 * v + (1 - beta2) * g^2
///     w = w - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
///
/// t is the number of the update, 1 for the first; m and v start at 0.
///
/// Sources: Kingma, Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015
/// (https://arxiv.org/abs/1412.6980); Loshchilov, Hutter, "Decoupled Weight Decay Regularization",
/// ICLR 2019 (https://arxiv.org/abs/1711.05101).
public struct AdamOptimizer: Optimizer {
  /// The decay rate of the first moment.
  public let beta1: Double
  /// The decay rate of the second moment.
  public let beta2: Double
  /// The term added to the denominator for numerical stability.
  public let epsilon: Double
  /// The decoupled weight decay coefficient.
  public let weightDecay: Double

  /// Creates the optimizer; `beta1` and `beta2` must be in 0 ..< 1.
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
    let factors = Factors(self, update, decays: shard.decays, scale: shard.gradientScale)
    let (w, g) = (shard.parameters, shard.gradients)
    let (m, v) = (shard.moment(0), shard.moment(1))
    Vectors.forEach(shard.count) { i, lanes in
      let new = factors.step(
        Vectors.load(w + i, count: lanes), Vectors.load(g + i, count: lanes),
        Vectors.load(m + i, count: lanes), Vectors.load(v + i, count: lanes))
      Vectors.store(new.w, to: w + i, count: lanes)
      Vectors.store(new.m, to: m + i, count: lanes)
      Vectors.store(new.v, to: v + i, count: lanes)
    }
  }

  /// The coefficients of one update, computed in Float64 and rounded to Float32 once.
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

/// RMSProp with optional momentum, not centered, as `torch.optim.RMSprop`.
///
///     g = gradient + weightDecay * w          weights only: biases, gamma and beta are not decayed
///     s = rho * s + (1 - rho) * g^2
///     u = momentum * u + g / (sqrt(s) + epsilon)
///     w = w - lr * u
///
/// s and u start at 0.
///
/// Source: Tieleman, Hinton, "Lecture 6.5: rmsprop", COURSERA: Neural Networks for Machine Learning,
/// 2012, with momentum as PyTorch has it.
public struct RMSPropOptimizer: Optimizer {
  /// The decay rate of the average of squared gradients: PyTorch's `alpha`, the `rho` of Keras.
  public let rho: Double
  /// The term added to the square root for numerical stability.
  public let epsilon: Double
  /// The momentum factor; 0 for none.
  public let momentum: Float
  /// The weight decay coefficient (L2 penalty).
  public let weightDecay: Float

  /// Creates the optimizer; `rho` and `momentum` must be in 0 ..< 1.
  public init(
    rho: Double = 0.99, epsilon: Double = 1e-8, momentum: Float = 0, weightDecay: Float = 0
  ) {
    self.rho = rho
    self.epsilon = epsilon
    self.momentum = momentum
    self.weightDecay = weightDecay
  }

  public var momentNames: [String] {
    momentum == 0 ? ["square_average"] : ["square_average", "momentum"]
  }

  public func updateGradients(_ shard: OptimizerShard, _ update: ParameterUpdate) {
    let rate = Vectors.broadcast(Float(update.learningRate))
    let decay = Vectors.broadcast(shard.decays ? weightDecay : 0)
    let scale = Vectors.broadcast(shard.gradientScale)
    let (keep, add, epsilon) = (Float(rho), Float(1 - rho), Float(epsilon))
    let (w, g, s) = (shard.parameters, shard.gradients, shard.moment(0))
    /// Updates s, and returns w and g / (sqrt(s) + epsilon).
    @inline(__always)
    func normalize(_ i: Int, _ lanes: Int) -> (w: Vectors.Vector, step: Vectors.Vector) {
      let old = Vectors.load(w + i, count: lanes)
      let gradient = Vectors.load(g + i, count: lanes) * scale + decay * old
      let average = keep * Vectors.load(s + i, count: lanes) + add * (gradient * gradient)
      Vectors.store(average, to: s + i, count: lanes)
      return (old, gradient / (clockstep_square_root(average) + epsilon))
    }
    guard momentum != 0 else {
      Vectors.forEach(shard.count) { i, lanes in
        let new = normalize(i, lanes)
        Vectors.store(new.w - rate * new.step, to: w + i, count: lanes)
      }
      return
    }
    let (u, momentum) = (shard.moment(1), Vectors.broadcast(momentum))
    Vectors.forEach(shard.count) { i, lanes in
      let new = normalize(i, lanes)
      let velocity = momentum * Vectors.load(u + i, count: lanes) + new.step
      Vectors.store(velocity, to: u + i, count: lanes)
      Vectors.store(new.w - rate * velocity, to: w + i, count: lanes)
    }
  }
}
