// SPDX-License-Identifier: Apache-2.0

/// Column statistics of a slice, and the normalization by those of the batch.
///
/// What has a number for each column is padded to whole vectors: `Vectors.padded(columns)` apart.
package enum BatchStatistics {
  /// How many Float32 numbers the functions here need for a moment.
  package static func scratchCount(columns: Int) -> Int { 3 * Vectors.padded(columns) }

  /// The mean and M2 of each column: `moments` gets all means, then all M2.
  ///
  /// Block by block, while the block is in the cache, and blocks are merged by Chan's rule. In a
  /// block the first pass adds x - x0, x0 being the column's first element: a constant column has
  /// exactly its value as mean. The second adds (x - mean)^2. A large mean costs no digits, since
  /// differences of near numbers are exact (Sterbenz).
  ///
  /// A block that is wide is taken in stripes of columns, so that its second pass finds it in the cache.
  package static func moments(
    of matrix: MatrixView, into moments: UnsafeMutablePointer<Double>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let squares = moments + Vectors.padded(matrix.columns)
    for first in stride(from: 0, to: matrix.columns, by: stripe) {
      let columns = first..<Swift.min(first + stripe, matrix.columns)
      momentsOfStripe(
        columns, of: matrix, into: moments + first, squares + first, scratch: scratch)
    }
  }

  /// 128 rows of it are half a megabyte.
  private static let stripe = 1024

  private static func momentsOfStripe(
    _ columns: Range<Int>, of matrix: MatrixView, into moments: UnsafeMutablePointer<Double>,
    _ squares: UnsafeMutablePointer<Double>, scratch: UnsafeMutablePointer<Float>
  ) {
    let (n, width) = (matrix.columns, columns.count)
    let stride = Vectors.padded(width)
    let (sums, high, low) = (scratch, scratch + stride, scratch + 2 * stride)
    let base = matrix.base + columns.lowerBound
    RowBlocks.forEach(rows: matrix.rows) { block in
      let x0 = base + block.lowerBound * n
      RowBlocks.sum(block, columns: width, into: sums) { row, j, lanes in
        Vectors.load(base + row &* n + j, count: lanes) - Vectors.load(x0 + j, count: lanes)
      }
      let scale = DoubleVectors.all(1 / Double(block.count))
      Vectors.forEach(width) { j, lanes in
        // Eight at a time would read beyond x0's last column.
        Vectors.store(Vectors.load(x0 + j, count: lanes), to: high + j)
      }
      let means = block.lowerBound == 0 ? moments : nil
      DoubleVectors.forEach(stride) { j in
        let mean = DoubleVectors.load(high + j) + DoubleVectors.load(sums + j) * scale
        DoubleVectors.store(mean, to: high + j)
        DoubleVectors.store(mean - DoubleVectors.load(high + j), to: low + j)
        if let means { DoubleVectors.store(mean, to: means + j) }
      }
      RowBlocks.sum(block, columns: width, into: sums) { row, j, lanes in
        let x = Vectors.load(base + row &* n + j, count: lanes)
        let d = (x - Vectors.load(high + j)) - Vectors.load(low + j)
        return d * d
      }
      take(block, sums: sums, high: high, low: low, into: moments, squares, stride: stride)
    }
  }

  /// Takes a block's mean (in two parts) and sums of squares into the moments of the rows before.
  private static func take(
    _ block: Range<Int>, sums: UnsafePointer<Float>, high: UnsafePointer<Float>,
    low: UnsafePointer<Float>, into moments: UnsafeMutablePointer<Double>,
    _ m2: UnsafeMutablePointer<Double>, stride: Int
  ) {
    guard block.lowerBound > 0 else {
      DoubleVectors.forEach(stride) { j in
        DoubleVectors.store(DoubleVectors.load(sums + j), to: m2 + j)
      }
      return
    }
    let share = Double(block.count) / Double(block.upperBound)
    let weight = Double(block.lowerBound) * share
    DoubleVectors.forEach(stride) { j in
      let mean = DoubleVectors.load(moments + j)
      let delta = (DoubleVectors.load(high + j) + DoubleVectors.load(low + j)) - mean
      DoubleVectors.store(mean + delta * share, to: moments + j)
      let squares = DoubleVectors.load(sums + j) + delta * delta * weight
      DoubleVectors.store(DoubleVectors.load(m2 + j) + squares, to: m2 + j)
    }
  }

  /// Ahat = (A - mean) / sqrt(var + eps) and Abar = Ahat * gamma + beta, row by row.
  package static func normalize(
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
      Vectors.forEach(n) { j, lanes in
        let centered =
          (Vectors.load(x + j, count: lanes) - Vectors.load(high + j)) - Vectors.load(low + j)
        let h = centered * Vectors.load(rstd + j)
        Vectors.store(h, to: hat + j, count: lanes)
        let scaled = Vectors.multiplyAdd(
          h, Vectors.load(gamma + j, count: lanes), Vectors.load(beta + j, count: lanes))
        Vectors.store(scaled, to: bar + j, count: lanes)
      }
    }
  }

  /// The column sums of dAbar * Ahat, then those of dAbar.
  package static func gradientSums(
    _ gradient: MatrixView, normalized: UnsafePointer<Float>,
    into sums: UnsafeMutablePointer<Double>, scratch: UnsafeMutablePointer<Float>
  ) {
    let n = gradient.columns
    let stride = Vectors.padded(n)
    let base = gradient.base
    sums.update(repeating: 0, count: 2 * stride)
    RowBlocks.forEach(rows: gradient.rows) { block in
      RowBlocks.sum(block, columns: n, into: scratch, and: scratch + stride) { row, j, lanes in
        let g = Vectors.load(base + row &* n + j, count: lanes)
        return (g * Vectors.load(normalized + row &* n + j, count: lanes), g)
      }
      DoubleVectors.forEach(2 * stride) { j in
        DoubleVectors.store(
          DoubleVectors.load(sums + j) + DoubleVectors.load(scratch + j), to: sums + j)
      }
    }
  }

  /// dA = factor * (dAbar - meanOfGradient - Ahat * meanOfProduct), in place over dAbar.
  package static func inputGradient(
    _ gradient: MutableMatrixView, normalized: UnsafePointer<Float>,
    factor: UnsafePointer<Float>, meanOfGradient: UnsafePointer<Float>,
    meanOfProduct: UnsafePointer<Float>
  ) {
    let n = gradient.columns
    for row in 0..<gradient.rows {
      let g = gradient.base + row * n
      let hat = normalized + row * n
      Vectors.forEach(n) { j, lanes in
        let centered = Vectors.load(g + j, count: lanes) - Vectors.load(meanOfGradient + j)
        let projected =
          centered - Vectors.load(hat + j, count: lanes) * Vectors.load(meanOfProduct + j)
        Vectors.store(projected * Vectors.load(factor + j), to: g + j, count: lanes)
      }
    }
  }

  /// gradient *= factor, column by column.
  package static func scaleColumns(_ gradient: MutableMatrixView, by factor: UnsafePointer<Float>) {
    let n = gradient.columns
    for row in 0..<gradient.rows {
      let g = gradient.base + row * n
      // A closure of this size would be called for each vector (Swift 6.3).
      @inline(__always)
      func scale(_ j: Int, _ lanes: Int) {
        Vectors.store(
          Vectors.load(g + j, count: lanes) * Vectors.load(factor + j), to: g + j, count: lanes)
      }
      Vectors.forEach(n, scale)
    }
  }
}
