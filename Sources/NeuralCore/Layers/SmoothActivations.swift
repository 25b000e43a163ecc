// SPDX-License-Identifier: Apache-2.0

// Error bounds are in units in the last place, for all z. A bound of a derivative that has a zero refers
// to the larger of the two terms which cancel there.

private typealias Vector = Vectors.Vector

/// The hyperbolic tangent: act(z) = tanh(z), with derivative 1 - tanh(z)^2.
///
/// Accurate to 3 units in the last place, the derivative to 5; odd, propagates NaN.
public struct Tanh: ActivationFunction {
  /// Creates the function.
  public init() {}

  public func apply(
    _ z: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>
  ) {
    Vectors.map(z, into: output) { z in
      // tanh(|z|) = -e / (2 + e) with e = exp(-2|z|) - 1.
      let t = Vectors.negativeMagnitude(z, atLeast: -60)
      let e = ElementaryFunctions.exponentialMinusOne(t + t)
      return Vectors.copySign(e / (2 + e), of: z)
    }
  }

  public func derivative(
    _ z: UnsafeBufferPointer<Float>, times gradient: UnsafeMutableBufferPointer<Float>
  ) {
    Vectors.multiply(gradient, byMapping: z) { z in
      // 1 - tanh(z)^2 = 4 e / (1 + e)^2 with e = exp(-2|z|).
      let t = Vectors.negativeMagnitude(z, atLeast: -55)
      let e = ElementaryFunctions.exp(t + t)
      let d = 1 + e
      return 4 * e / (d * d)
    }
  }
}

/// The exponential linear unit: act(z) = z for z > 0 and exp(z) - 1 otherwise, with derivative exp(z)
/// for z <= 0.
///
/// Accurate to 1 unit in the last place, the derivative to 2; propagates NaN.
///
/// Source: Clevert, Unterthiner, Hochreiter, "Fast and Accurate Deep Network Learning by Exponential
/// Linear Units (ELUs)", ICLR 2016, with alpha = 1.
public struct Elu: ActivationFunction {
  /// Creates the function.
  public init() {}

  public var weightInitializer: WeightInitializer { .heNormal }

  public func apply(
    _ z: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>
  ) {
    Vectors.map(z, into: output) { z in
      let negative = z.replacing(with: 0, where: z .> 0)
      return z.replacing(
        with: ElementaryFunctions.exponentialMinusOne(negative), where: z .< 0)
    }
  }

  public func derivative(
    _ z: UnsafeBufferPointer<Float>, times gradient: UnsafeMutableBufferPointer<Float>
  ) {
    Vectors.multiply(gradient, byMapping: z) { z in
      let negative = z.replacing(with: 0, where: z .> 0).replacing(with: -110, where: z .< -110)
      return ElementaryFunctions.exp(negative)
    }
  }
}

/// The Gaussian error linear unit: act(z) = z Phi(z) with Phi(z) = (1 + erf(z / sqrt 2)) / 2, the
/// standard normal distribution function; its derivative is Phi(z) + z exp(-z^2 / 2) / sqrt(2 pi).
///
/// The exact function, not the approximation by tanh. Accurate to 7 units in the last place, the
/// derivative to 4; propagates NaN, and is 0 at minus infinity.
///
/// Source: Hendrycks, Gimpel, "Gaussian Error Linear Units (GELUs)", arXiv:1606.08415.
public struct Gelu: ActivationFunction {
  /// Creates the function.
  public init() {}

  public var weightInitializer: WeightInitializer { .heNormal }

  public func apply(
    _ z: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>
  ) {
    Vectors.map(z, into: output) { z in
      let t = Vectors.negativeMagnitude(z, atLeast: -15)
      let tail = ElementaryFunctions.GaussianTail(t)
      return addingRelu(
        of: z, to: tail.density.scaled(t * (tail.density.significand * tail.ratio)))
    }
  }

  public func derivative(
    _ z: UnsafeBufferPointer<Float>, times gradient: UnsafeMutableBufferPointer<Float>
  ) {
    Vectors.multiply(gradient, byMapping: z) { z in
      let t = Vectors.negativeMagnitude(z, atLeast: -15)
      let tail = ElementaryFunctions.GaussianTail(t)
      // The density of the normal distribution is exp(-t^2 / 2) / sqrt(2 pi).
      let sum = Vectors.multiplyAdd(t, Vector(repeating: 0.398_942_28), tail.ratio)
      return slope(at: z, fromBelow: tail.density.scaled(tail.density.significand * sum))
    }
  }
}

/// The sigmoid linear unit, also called swish: act(z) = z / (1 + exp(-z)); its derivative is
/// s + z s (1 - s) with s = 1 / (1 + exp(-z)).
///
/// Accurate to 4 units in the last place, the derivative to 5; propagates NaN, and is 0 at minus
/// infinity.
///
/// Source: Elfwing, Uchibe, Doya, "Sigmoid-Weighted Linear Units for Neural Network Function
/// Approximation in Reinforcement Learning", Neural Networks 107, 2018.
public struct Silu: ActivationFunction {
  /// Creates the function.
  public init() {}

  public var weightInitializer: WeightInitializer { .heNormal }

  public func apply(
    _ z: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>
  ) {
    Vectors.map(z, into: output) { z in
      // silu(t) = t e / (1 + e) with e = exp(t).
      let t = Vectors.negativeMagnitude(z, atLeast: -110)
      let e = ElementaryFunctions.ScaledExponential(t)
      let ratio = e.significand / (1 + e.scaled(e.significand))
      return addingRelu(of: z, to: e.scaled(t * ratio))
    }
  }

  public func derivative(
    _ z: UnsafeBufferPointer<Float>, times gradient: UnsafeMutableBufferPointer<Float>
  ) {
    Vectors.multiply(gradient, byMapping: z) { z in
      // silu'(t) = e (1 + e + t) / (1 + e)^2 with e = exp(t).
      let t = Vectors.negativeMagnitude(z, atLeast: -110)
      let e = ElementaryFunctions.ScaledExponential(t)
      let d = 1 + e.scaled(e.significand)
      return slope(at: z, fromBelow: e.scaled(e.significand * ((d + t) / (d * d))))
    }
  }
}

/// The softplus function: act(z) = log(1 + exp(z)), with the sigmoid as its derivative.
///
/// Accurate to 3 units in the last place, the derivative to 3; propagates NaN, and is 0 at minus
/// infinity.
///
/// Source: Dugas, Bengio, Bélisle, Nadeau, Garcia, "Incorporating Second-Order Functional Knowledge for
/// Better Option Pricing", NIPS 2000.
public struct Softplus: ActivationFunction {
  /// Creates the function.
  public init() {}

  public var weightInitializer: WeightInitializer { .heNormal }

  public func apply(
    _ z: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>
  ) {
    Vectors.map(z, into: output) { z in
      let e = ElementaryFunctions.exp(Vectors.negativeMagnitude(z, atLeast: -110))
      return addingRelu(of: z, to: ElementaryFunctions.logarithmOfOnePlus(e))
    }
  }

  public func derivative(
    _ z: UnsafeBufferPointer<Float>, times gradient: UnsafeMutableBufferPointer<Float>
  ) {
    Vectors.multiply(gradient, byMapping: z) { z in
      let e = ElementaryFunctions.exp(Vectors.negativeMagnitude(z, atLeast: -110))
      return Vector(repeating: 1).replacing(with: e, where: z .< 0) / (1 + e)
    }
  }
}

/// max(z, 0) + below, where below = act(-|z|): GELU, SiLU and softplus are ReLU plus an even function.
@inline(__always)
private func addingRelu(of z: Vector, to below: Vector) -> Vector {
  (z + below).replacing(with: below, where: z .< 0)
}

/// act'(z) from `below` = act'(-|z|), where act'(z) + act'(-z) = 1.
@inline(__always)
private func slope(at z: Vector, fromBelow below: Vector) -> Vector {
  (1 - below).replacing(with: below, where: z .< 0)
}
