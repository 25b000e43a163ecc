// SPDX-License-Identifier: Apache-2.0

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

  public func activate(
    _ z: MutableMatrixView, adding bias: UnsafePointer<Float>, into output: MutableMatrixView
  ) {
    let n = z.columns
    for row in 0..<z.rows {
      let (source, target) = (z.base + row * n, output.base + row * n)
      // A closure of this size would be called for each vector (Swift 6.3).
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
