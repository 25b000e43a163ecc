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

  /// z_ij += bias_j and output_ij = act(z_ij); `output` may be `z` itself.
  ///
  /// What a layer's forward pass needs, in one pass over memory. There is an implementation for
  /// every function, by ``apply(_:into:)``; one of your own is worth it for speed only.
  func activate(
    _ z: MutableMatrixView, adding bias: UnsafePointer<Float>, into output: MutableMatrixView)

  /// gradient_ij *= act'(z_ij), and sums_j = the sum of the new gradient_ij over the rows.
  ///
  /// What a layer's backward pass needs, in one pass over memory. There is an implementation for
  /// every function, by ``derivative(_:times:)``; one of your own is worth it for speed only.
  ///
  /// - Parameter sums: one number a column, with room up to the next multiple of 16.
  func differentiate(
    _ z: MatrixView, gradient: MutableMatrixView, sums: UnsafeMutablePointer<Float>)
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

  public func activate(
    _ z: MutableMatrixView, adding bias: UnsafePointer<Float>, into output: MutableMatrixView
  ) {
    forFewRows(of: z.rows, columns: z.columns) { rows in
      for row in rows { Reductions.add(bias, to: z.base + row * z.columns, z.columns) }
      apply(z.rows(rows).readOnly.elements, into: output.rows(rows).elements)
    }
  }

  public func differentiate(
    _ z: MatrixView, gradient: MutableMatrixView, sums: UnsafeMutablePointer<Float>
  ) {
    sums.update(repeating: 0, count: gradient.columns)
    forFewRows(of: z.rows, columns: z.columns) { rows in
      derivative(z.rows(rows).elements, times: gradient.rows(rows).elements)
      for row in rows {
        Reductions.add(gradient.base + row * gradient.columns, to: sums, gradient.columns)
      }
    }
  }

  /// Calls `body` with as many rows at a time as stay in the nearest cache.
  private func forFewRows(of count: Int, columns: Int, _ body: (Range<Int>) -> Void) {
    let rowsAtOnce = Swift.max(1, 4096 / columns)
    var first = 0
    while first < count {
      let rows = first..<Swift.min(first + rowsAtOnce, count)
      body(rows)
      first = rows.upperBound
    }
  }
}
