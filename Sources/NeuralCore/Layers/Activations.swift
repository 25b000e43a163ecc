// SPDX-License-Identifier: Apache-2.0

/// An element-wise activation function at the end of a layer.
///
/// The requirements work on whole buffers, so that a layer makes one dynamic call for thousands of
/// elements. A custom function:
///
/// ```swift
/// struct Softsign: ActivationFunction {
///   func apply(_ z: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>) {
///     for i in 0..<z.count { output[i] = z[i] / (1 + abs(z[i])) }
///   }
///   func derivative(
///     _ z: UnsafeBufferPointer<Float>, times gradient: UnsafeMutableBufferPointer<Float>
///   ) {
///     for i in 0..<z.count { gradient[i] /= (1 + abs(z[i])) * (1 + abs(z[i])) }
///   }
/// }
/// ```
public protocol ActivationFunction: Sendable {
  /// How the weights of a layer with this activation are initialized.
  var weightInitializer: WeightInitializer { get }

  /// output_i = act(z_i); both buffers have the same length.
  func apply(_ z: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>)

  /// gradient_i *= act'(z_i): from the gradient with respect to the output to that with respect to
  /// z.
  func derivative(
    _ z: UnsafeBufferPointer<Float>, times gradient: UnsafeMutableBufferPointer<Float>)

  /// z_ij += bias_j and output_ij = act(z_ij); `output` may be `z` itself.
  ///
  /// A layer's forward pass calls this: one pass over memory. The default implementation calls
  /// ``apply(_:into:)``; a custom one is worthwhile only for speed.
  func activate(
    _ z: MutableMatrixView, adding bias: UnsafePointer<Float>, into output: MutableMatrixView)

  /// gradient_ij *= act'(z_ij), and sums_j = the sum of the new gradient_ij over the rows.
  ///
  /// A layer's backward pass calls this: one pass over memory. The default implementation calls
  /// ``derivative(_:times:)``; a custom one is worthwhile only for speed.
  ///
  /// - Parameter sums: one element per column, with room up to the next multiple of 16.
  func differentiate(
    _ z: MatrixView, gradient: MutableMatrixView, sums: UnsafeMutablePointer<Float>)
}

/// The families of weight initialization; see ``Initializer``.
public enum WeightInitializer: Sendable {
  /// Normal with variance 2 / inputs, for functions that are approximately zero for negative z, as
  /// ``Relu``, ``LeakyRelu``, ``Elu``, ``Gelu``, ``Silu`` and ``Softplus``.
  ///
  /// Source: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015.
  case heNormal
  /// Uniform with variance 2 / (inputs + outputs), for ``Tanh``, ``Sigmoid`` and ``Identity``.
  ///
  /// Source: Glorot, Bengio, "Understanding the Difficulty of Training Deep Feedforward Neural
  /// Networks", AISTATS 2010.
  case glorotUniform
}

extension ActivationFunction {
  /// Glorot-uniform, which suits functions that are approximately linear around zero.
  public var weightInitializer: WeightInitializer { .glorotUniform }

  public func activate(
    _ z: MutableMatrixView, adding bias: UnsafePointer<Float>, into output: MutableMatrixView
  ) {
    forEachBlock(rows: z.rows, columns: z.columns) { rows in
      for row in rows { Reductions.add(bias, to: z.base + row * z.columns, z.columns) }
      apply(z.rows(rows).readOnly.elements, into: output.rows(rows).elements)
    }
  }

  public func differentiate(
    _ z: MatrixView, gradient: MutableMatrixView, sums: UnsafeMutablePointer<Float>
  ) {
    sums.update(repeating: 0, count: gradient.columns)
    forEachBlock(rows: z.rows, columns: z.columns) { rows in
      derivative(z.rows(rows).elements, times: gradient.rows(rows).elements)
      for row in rows {
        Reductions.add(gradient.base + row * gradient.columns, to: sums, gradient.columns)
      }
    }
  }

  /// Calls `body` with blocks of rows that fit the first-level cache.
  private func forEachBlock(
    rows count: Int, columns: Int, _ body: (Range<Int>) -> Void
  ) {
    let blockRows = Swift.max(1, 4096 / columns)
    var first = 0
    while first < count {
      let rows = first..<Swift.min(first + blockRows, count)
      body(rows)
      first = rows.upperBound
    }
  }
}

/// The rectified linear unit: act(z) = max(z, 0), with derivative 0 at z = 0; propagates NaN.
///
/// Source: Nair, Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines", ICML 2010.
public struct Relu: ActivationFunction {
  /// Creates the function.
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

  public func activate(
    _ z: MutableMatrixView, adding bias: UnsafePointer<Float>, into output: MutableMatrixView
  ) {
    let n = z.columns
    for row in 0..<z.rows {
      let (source, target) = (z.base + row * n, output.base + row * n)
      // Swift 6.3 would not inline a closure of this size.
      @inline(__always)
      func activate(_ j: Int, _ lanes: Int) {
        let sum = Vectors.load(source + j, count: lanes) + Vectors.load(bias + j, count: lanes)
        Vectors.store(sum, to: source + j, count: lanes)
        Vectors.store(sum.replacing(with: 0, where: sum .<= 0), to: target + j, count: lanes)
      }
      Vectors.forEach(n, activate)
    }
  }

  public func differentiate(
    _ z: MatrixView, gradient: MutableMatrixView, sums: UnsafeMutablePointer<Float>
  ) {
    let (base, g, n) = (z.base, gradient.base, gradient.columns)
    RowBlocks.sum(0..<z.rows, columns: n, into: sums) { row, j, lanes in
      let place = row &* n &+ j
      let kept = Vectors.load(g + place, count: lanes)
        .replacing(with: 0, where: Vectors.load(base + place, count: lanes) .<= 0)
      Vectors.store(kept, to: g + place, count: lanes)
      return kept
    }
  }
}

/// The leaky rectified linear unit: act(z) = z for z > 0 and 0.01 z otherwise, with derivative 0.01
/// at z = 0; rounded once, propagates NaN.
///
/// Source: Maas, Hannun, Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models",
/// ICML 2013.
public struct LeakyRelu: ActivationFunction {
  private static var slope: Float { 0.01 }

  /// Creates the function.
  public init() {}

  public var weightInitializer: WeightInitializer { .heNormal }

  public func apply(
    _ z: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>
  ) {
    Vectors.map(z, into: output) { $0.replacing(with: Self.slope * $0, where: $0 .<= 0) }
  }

  public func derivative(
    _ z: UnsafeBufferPointer<Float>, times gradient: UnsafeMutableBufferPointer<Float>
  ) {
    guard let z = z.baseAddress, let g = gradient.baseAddress else { return }
    for i in 0..<gradient.count {
      g[i] = z[i] <= 0 ? Self.slope * g[i] : g[i]
    }
  }

  public func activate(
    _ z: MutableMatrixView, adding bias: UnsafePointer<Float>, into output: MutableMatrixView
  ) {
    let n = z.columns
    for row in 0..<z.rows {
      let (source, target) = (z.base + row * n, output.base + row * n)
      @inline(__always)
      func activate(_ j: Int, _ lanes: Int) {
        let sum = Vectors.load(source + j, count: lanes) + Vectors.load(bias + j, count: lanes)
        Vectors.store(sum, to: source + j, count: lanes)
        let result = sum.replacing(with: Self.slope * sum, where: sum .<= 0)
        Vectors.store(result, to: target + j, count: lanes)
      }
      Vectors.forEach(n, activate)
    }
  }

  public func differentiate(
    _ z: MatrixView, gradient: MutableMatrixView, sums: UnsafeMutablePointer<Float>
  ) {
    let (base, g, n) = (z.base, gradient.base, gradient.columns)
    RowBlocks.sum(0..<z.rows, columns: n, into: sums) { row, j, lanes in
      let place = row &* n &+ j
      let old = Vectors.load(g + place, count: lanes)
      let new = old.replacing(
        with: Self.slope * old, where: Vectors.load(base + place, count: lanes) .<= 0)
      Vectors.store(new, to: g + place, count: lanes)
      return new
    }
  }
}

/// The logistic sigmoid: act(z) = 1 / (1 + exp(-z)), with derivative act(z) * (1 - act(z)).
///
/// Accurate to 4 units in the last place for all z; propagates NaN.
public struct Sigmoid: ActivationFunction {
  /// Creates the function.
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

/// The identity: act(z) = z, with derivative 1; the usual activation of the last layer.
public struct Identity: ActivationFunction {
  /// Creates the function.
  public init() {}

  public func apply(
    _ z: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>
  ) {
    _ = output.update(fromContentsOf: z)
  }

  public func derivative(
    _ z: UnsafeBufferPointer<Float>, times gradient: UnsafeMutableBufferPointer<Float>
  ) {}

  public func activate(
    _ z: MutableMatrixView, adding bias: UnsafePointer<Float>, into output: MutableMatrixView
  ) {
    let n = z.columns
    for row in 0..<z.rows {
      let (source, target) = (z.base + row * n, output.base + row * n)
      Vectors.forEach(n) { j, lanes in
        let sum = Vectors.load(source + j, count: lanes) + Vectors.load(bias + j, count: lanes)
        Vectors.store(sum, to: source + j, count: lanes)
        Vectors.store(sum, to: target + j, count: lanes)
      }
    }
  }

  public func differentiate(
    _ z: MatrixView, gradient: MutableMatrixView, sums: UnsafeMutablePointer<Float>
  ) {
    let (base, n) = (UnsafePointer(gradient.base), gradient.columns)
    RowBlocks.sum(0..<z.rows, columns: n, into: sums) { row, j, lanes in
      Vectors.load(base + row &* n + j, count: lanes)
    }
  }
}
