// SPDX-License-Identifier: Apache-2.0

/// The logistic function: act(z) = 1 / (1 + exp(-z)), exact to a few units in the last place.
public struct Sigmoid: ActivationFunction {
  /// Makes the function.
  public init() {}

  public func apply(
    _ z: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>
  ) {
    Vectors.map(z, into: output) { z in
      // exp of -|z| can't overflow: sigmoid(z) = 1/(1+e) for z >= 0 and e/(1+e) for z < 0.
      let e = Exponential.exp(-z.replacing(with: -z, where: z .< 0))
      return SIMD16(repeating: 1).replacing(with: e, where: z .< 0) / (1 + e)
    }
  }

  public func derivative(
    _ z: UnsafeBufferPointer<Float>, times gradient: UnsafeMutableBufferPointer<Float>
  ) {
    Vectors.multiply(gradient, byMapping: z) { z in
      // sigmoid'(z) = e / (1 + e)^2 with e = exp(-|z|), which is even in z.
      let e = Exponential.exp(-z.replacing(with: -z, where: z .< 0))
      let d = 1 + e
      return e / (d * d)
    }
  }
}
