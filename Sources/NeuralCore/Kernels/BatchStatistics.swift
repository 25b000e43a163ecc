// SPDX-License-Identifier: Apache-2.0

/// Column statistics of a slice, and the normalisation by those of the batch.
enum BatchStatistics {
  /// How many rows are added in Float32 before the sums go over to Float64.
  static let rowsAtOnce = 128

  /// The mean and M2 of each column: `moments` gets all means, then all M2.
  ///
  /// Two passes. The first adds x - x0, x0 being the column's first element: a constant column
  /// has exactly its value as mean. The second adds (x - mean)^2. A large mean costs no digits,
  /// since differences of near numbers are exact (Sterbenz). `scratch` holds 3 numbers a column.
  static func moments(
    of matrix: MatrixView, into moments: UnsafeMutablePointer<Double>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let n = matrix.columns
    let means = moments
    let m2 = moments + n
    let x0 = matrix.base
    let high = scratch
    let low = scratch + n
    let sums = scratch + 2 * n
    means.update(repeating: 0, count: n)
    m2.update(repeating: 0, count: n)
    forRowBlocks(of: matrix, sums: sums, into: means) { row in
      for j in 0..<n { sums[j] += row[j] - x0[j] }
    }
    let scale = 1 / Double(matrix.rows)
    for j in 0..<n {
      means[j] = Double(x0[j]) + means[j] * scale
      high[j] = Float(means[j])
      low[j] = Float(means[j] - Double(high[j]))
    }
    forRowBlocks(of: matrix, sums: sums, into: m2) { row in
      for j in 0..<n {
        let d = (row[j] - high[j]) - low[j]
        sums[j] += d * d
      }
    }
  }

  /// Adds rows into `sums`, block by block, and each block's sums into `totals`.
  @inline(__always)
  private static func forRowBlocks(
    of matrix: MatrixView, sums: UnsafeMutablePointer<Float>,
    into totals: UnsafeMutablePointer<Double>, addRow: (UnsafePointer<Float>) -> Void
  ) {
    let n = matrix.columns
    var first = 0
    while first < matrix.rows {
      let end = Swift.min(first + rowsAtOnce, matrix.rows)
      sums.update(repeating: 0, count: n)
      for row in first..<end { addRow(matrix.base + row * n) }
      for j in 0..<n { totals[j] += Double(sums[j]) }
      first = end
    }
  }

  /// Ahat = (A - mean) / sqrt(var + eps) and Abar = Ahat * gamma + beta, row by row.
  static func normalize(
    _ a: MatrixView, by s: NormalizationScales, gamma: UnsafePointer<Float>,
    beta: UnsafePointer<Float>, normalized: UnsafeMutablePointer<Float>,
    scaled: UnsafeMutablePointer<Float>
  ) {
    let n = a.columns
    let (high, low, rstd) = (s.meanHigh, s.meanLow, s.reciprocalDeviation)
    for row in 0..<a.rows {
      let x = a.base + row * n
      let hat = normalized + row * n
      let bar = scaled + row * n
      for j in 0..<n {
        let h = ((x[j] - high[j]) - low[j]) * rstd[j]
        hat[j] = h
        bar[j] = h * gamma[j] + beta[j]
      }
    }
  }

  /// The column sums of dAbar * Ahat, then those of dAbar; `scratch` holds 2 numbers a column.
  static func gradientSums(
    _ gradient: MatrixView, normalized: UnsafePointer<Float>,
    into sums: UnsafeMutablePointer<Double>, scratch: UnsafeMutablePointer<Float>
  ) {
    let n = gradient.columns
    var first = 0
    while first < gradient.rows {
      let end = Swift.min(first + rowsAtOnce, gradient.rows)
      scratch.update(repeating: 0, count: 2 * n)
      for row in first..<end {
        let g = gradient.base + row * n
        let hat = normalized + row * n
        for j in 0..<n {
          scratch[j] += g[j] * hat[j]
          scratch[n + j] += g[j]
        }
      }
      for j in 0..<2 * n { sums[j] += Double(scratch[j]) }
      first = end
    }
  }

  /// dA = factor * (dAbar - meanOfGradient - Ahat * meanOfProduct), in place over dAbar.
  static func inputGradient(
    _ gradient: MutableMatrixView, normalized: UnsafePointer<Float>,
    factor: UnsafePointer<Float>, meanOfGradient: UnsafePointer<Float>,
    meanOfProduct: UnsafePointer<Float>
  ) {
    let n = gradient.columns
    for row in 0..<gradient.rows {
      let g = gradient.base + row * n
      let hat = normalized + row * n
      for j in 0..<n {
        g[j] = factor[j] * ((g[j] - meanOfGradient[j]) - hat[j] * meanOfProduct[j])
      }
    }
  }

  /// gradient *= factor, column by column.
  static func scaleColumns(_ gradient: MutableMatrixView, by factor: UnsafePointer<Float>) {
    let n = gradient.columns
    for row in 0..<gradient.rows {
      let g = gradient.base + row * n
      for j in 0..<n { g[j] *= factor[j] }
    }
  }
}

/// What a normalisation subtracts and multiplies by, feature by feature.
///
/// The mean is kept in two Float32 parts whose sum is exact to about 48 bits: with features of
/// mean 1e6 and unit deviation, one Float32 alone would be off by up to 3 % of the deviation.
struct NormalizationScales {
  let meanHigh: UnsafeMutablePointer<Float>
  let meanLow: UnsafeMutablePointer<Float>
  let reciprocalDeviation: UnsafeMutablePointer<Float>

  /// Scales of `features` features in a buffer of 3 numbers a feature.
  init(_ buffer: AlignedBuffer<Float>, features: Int) {
    precondition(buffer.count >= 3 * features, "scales outside the buffer")
    meanHigh = buffer.base
    meanLow = buffer.base + features
    reciprocalDeviation = buffer.base + 2 * features
  }

  /// Takes over one feature's mean and variance; a variance that overflowed poisons the feature.
  func set(_ feature: Int, mean: Double, variance: Double, epsilon: Double) {
    meanHigh[feature] = Float(mean)
    meanLow[feature] = Float(mean - Double(meanHigh[feature]))
    reciprocalDeviation[feature] =
      variance.isFinite ? Float(1 / (variance + epsilon).squareRoot()) : .nan
  }
}
