// SPDX-License-Identifier: Apache-2.0

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
