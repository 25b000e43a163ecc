// SPDX-License-Identifier: Apache-2.0

/// An element-wise function at the end of a layer.
///
/// Both members work on whole buffers, so that a layer pays one dynamic call for thousands of
/// elements. A function of your own:
///
/// ```swift
/// struct LeakyRelu: ActivationFunction {
///   func apply(_ z: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>) {
///     for i in 0..<z.count { output[i] = z[i] > 0 ? z[i] : 0.01 * z[i] }
///   }
///   func derivative(
///     _ z: UnsafeBufferPointer<Float>, times gradient: UnsafeMutableBufferPointer<Float>
///   ) {
///     for i in 0..<z.count where z[i] <= 0 { gradient[i] *= 0.01 }
///   }
/// }
/// ```
public protocol ActivationFunction: Sendable {
  /// What a layer's weights start as when it ends in this function.
  var weightInitializer: WeightInitializer { get }

  /// output_i = act(z_i); both buffers have the same length.
  func apply(_ z: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>)

  /// gradient_i *= act'(z_i), which turns the gradient of the output into that of z.
  func derivative(
    _ z: UnsafeBufferPointer<Float>, times gradient: UnsafeMutableBufferPointer<Float>)
}

/// The families of initial weights.
public enum WeightInitializer: Sendable {
  /// Normal with variance 2 / inputs.
  case heNormal
  /// Uniform with variance 2 / (inputs + outputs).
  case glorotUniform
}

extension ActivationFunction {
  /// Glorot's uniform distribution, which suits functions that are about linear around zero.
  public var weightInitializer: WeightInitializer { .glorotUniform }
}

/// The identity: act(z) = z.
public struct Identity: ActivationFunction {
  /// Makes the function.
  public init() {}

  public func apply(
    _ z: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>
  ) {
    _ = output.update(fromContentsOf: z)
  }

  public func derivative(
    _ z: UnsafeBufferPointer<Float>, times gradient: UnsafeMutableBufferPointer<Float>
  ) {}
}

/// The rectifier: act(z) = max(z, 0), with derivative 0 at 0; NaN stays NaN.
public struct Relu: ActivationFunction {
  /// Makes the function.
  public init() {}

  public var weightInitializer: WeightInitializer { .heNormal }

  public func apply(
    _ z: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>
  ) {
    guard let z = z.baseAddress, let out = output.baseAddress else { return }
    for i in 0..<output.count {
      out[i] = z[i] <= 0 ? 0 : z[i]
    }
  }

  public func derivative(
    _ z: UnsafeBufferPointer<Float>, times gradient: UnsafeMutableBufferPointer<Float>
  ) {
    guard let z = z.baseAddress, let g = gradient.baseAddress else { return }
    for i in 0..<gradient.count {
      g[i] = z[i] <= 0 ? 0 : g[i]
    }
  }
}

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
