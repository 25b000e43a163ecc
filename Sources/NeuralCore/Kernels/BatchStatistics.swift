// SPDX-License-Identifier: Apache-2.0
internal import CVectorMath

/// The kernels of batch normalization: column statistics of a slice, normalization, and gradient.
///
/// Arrays with one element per column are padded to whole vectors: `Vectors.padded(columns)`.
package enum BatchStatistics {
  /// The number of Float32 elements of scratch space that the functions need.
  package static func scratchCount(columns: Int) -> Int { 3 * Vectors.padded(columns) }

  /// The mean and M2, the sum of squared deviations from the mean, of each column.
  ///
  /// Two passes over each block of rows, while it is in the cache. The first adds x - x0, where x0
  /// is the column's first element in the block, so that the mean of a constant column is exactly
  /// its value. The second adds (x - mean)^2. A large mean loses no digits, since the difference of
  /// nearby numbers is exact (Sterbenz, "Floating-Point Computation", 1974). Blocks are merged by
  /// the rule of Chan, Golub and LeVeque (see ``SliceStatistics``).
  ///
  /// A wide matrix is processed in stripes of columns, so that the second pass finds the block in
  /// the cache.
  ///
  /// - Parameter statistics: receives all means, then all M2.
  package static func compute(
    _ matrix: MatrixView, into statistics: UnsafeMutablePointer<Double>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let squares = statistics + Vectors.padded(matrix.columns)
    for first in stride(from: 0, to: matrix.columns, by: stripe) {
      let columns = first..<Swift.min(first + stripe, matrix.columns)
      computeStripe(
        columns, of: matrix, into: statistics + first, squares + first, scratch: scratch)
    }
  }

  /// The width of a stripe, in columns: 128 rows of it are half a megabyte.
  private static let stripe = 1024

  private static func computeStripe(
    _ columns: Range<Int>, of matrix: MatrixView, into means: UnsafeMutablePointer<Double>,
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
      let scale = DoubleVectors.broadcast(1 / Double(block.count))
      Vectors.forEach(width) { j, lanes in
        // By vectors of 16: loads of eight would read beyond x0's last column.
        Vectors.store(Vectors.load(x0 + j, count: lanes), to: high + j)
      }
      let firstMeans = block.lowerBound == 0 ? means : nil
      DoubleVectors.forEach(stride) { j in
        let mean = DoubleVectors.load(high + j) + DoubleVectors.load(sums + j) * scale
        DoubleVectors.store(mean, to: high + j)
        DoubleVectors.store(mean - DoubleVectors.load(high + j), to: low + j)
        if let firstMeans { DoubleVectors.store(mean, to: firstMeans + j) }
      }
      RowBlocks.sum(block, columns: width, into: sums) { row, j, lanes in
        let x = Vectors.load(base + row &* n + j, count: lanes)
        let d = (x - Vectors.load(high + j)) - Vectors.load(low + j)
        return d * d
      }
      merge(block, sums: sums, high: high, low: low, into: means, squares, stride: stride)
    }
  }

  /// Merges a block's means (in two parts) and M2 into those of the rows before it.
  private static func merge(
    _ block: Range<Int>, sums: UnsafePointer<Float>, high: UnsafePointer<Float>,
    low: UnsafePointer<Float>, into means: UnsafeMutablePointer<Double>,
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
      let mean = DoubleVectors.load(means + j)
      let delta = (DoubleVectors.load(high + j) + DoubleVectors.load(low + j)) - mean
      DoubleVectors.store(mean + delta * share, to: means + j)
      let squares = DoubleVectors.load(sums + j) + delta * delta * weight
      DoubleVectors.store(DoubleVectors.load(m2 + j) + squares, to: m2 + j)
    }
  }

  /// Ahat = (A - mean) / sqrt(var + eps) and Abar = Ahat * gamma + beta.
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

  /// The column sums of dAbar * Ahat, followed by those of dAbar.
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
      // Swift 6.3 would not inline a closure of this size.
      @inline(__always)
      func scale(_ j: Int, _ lanes: Int) {
        Vectors.store(
          Vectors.load(g + j, count: lanes) * Vectors.load(factor + j), to: g + j, count: lanes)
      }
      Vectors.forEach(n, scale)
    }
  }
}

/// The mean and 1 / sqrt(var + eps) of each feature, by which inputs are normalized.
///
/// The mean is stored as two Float32 whose sum is exact to about 48 bits: for features with mean
/// 1e6 and standard deviation 1, a single Float32 would be off by up to 3 % of the deviation.
package struct NormalizationScales {
  package let meanHigh: UnsafeMutablePointer<Float>
  package let meanLow: UnsafeMutablePointer<Float>
  package let reciprocalDeviation: UnsafeMutablePointer<Float>
  private let stride: Int

  /// Views the scales of `features` features in a buffer of ``count(features:)`` elements.
  package init(_ buffer: AlignedBuffer<Float>, features: Int) {
    precondition(buffer.count >= Self.count(features: features), "scales outside the buffer")
    stride = Vectors.padded(features)
    meanHigh = buffer.base
    meanLow = buffer.base + stride
    reciprocalDeviation = buffer.base + 2 * stride
  }

  /// The number of elements that the scales of `features` features need.
  package static func count(features: Int) -> Int { 3 * Vectors.padded(features) }

  /// Sets the scales from batch statistics; a variance that overflowed makes the feature NaN.
  package func set(_ statistics: SliceStatistics, rows: Double, epsilon: Double) {
    let (mean, squares) = (statistics.mean, statistics.sumOfSquares)
    let factor = 1 / rows
    DoubleVectors.forEach(stride) { j in
      let exact = DoubleVectors.load(mean + j)
      DoubleVectors.store(exact, to: meanHigh + j)
      DoubleVectors.store(exact - DoubleVectors.load(meanHigh + j), to: meanLow + j)
      let variance = DoubleVectors.load(squares + j) * factor
      let root = DoubleVectors.squareRoot(variance + epsilon)
      // An infinite variance would hide as a 0 here: infinity minus infinity is NaN.
      DoubleVectors.store((variance - variance) + 1 / root, to: reciprocalDeviation + j)
    }
  }

  /// running = momentum * running + (1 - momentum) * batch, for mean and variance.
  package static func updateRunning(
    mean runningMean: UnsafeMutablePointer<Float>,
    variance runningVariance: UnsafeMutablePointer<Float>, from statistics: SliceStatistics,
    rows: Double, momentum: Double
  ) {
    let (mean, squares) = (statistics.mean, statistics.sumOfSquares)
    let factor = 1 / rows
    // Tensors start on whole vectors, and the gaps after them contain zeros, which stay zero.
    DoubleVectors.forEach(Vectors.padded(statistics.features)) { j in
      let newMean =
        momentum * DoubleVectors.load(runningMean + j)
        + (1 - momentum) * DoubleVectors.load(mean + j)
      let variance = DoubleVectors.load(squares + j) * factor
      let newVariance =
        momentum * DoubleVectors.load(runningVariance + j) + (1 - momentum) * variance
      DoubleVectors.store(newMean, to: runningMean + j)
      DoubleVectors.store(newVariance, to: runningVariance + j)
    }
  }
}

/// The weight gradient of a layer with a normalized input, computed from G = dZ^T Ahat.
package enum WeightGradients {
  /// The number of terms that are added in Float32, as 16 sums, before they are added in Float64.
  private static let blockLength = 1024

  /// Turns one input's column of G into its column of dW: gamma * G_k + beta * db_k.
  ///
  /// - Parameters:
  ///   - g: G_k for each of `count` outputs k, overwritten.
  ///   - weights: W_k for the same input.
  ///   - biasGradient: db_k.
  /// - Returns: the input's dgamma, the sum of W_k G_k, and its dbeta, the sum of W_k db_k.
  package static func scaleAndSum(
    _ g: UnsafeMutablePointer<Float>, weights: UnsafePointer<Float>,
    biasGradient: UnsafePointer<Float>, count: Int, gamma: Float, beta: Float
  ) -> (scale: Double, shift: Double) {
    let (scale, shift) = (Vectors.broadcast(gamma), Vectors.broadcast(beta))
    var (products, shifts) = (0.0, 0.0)
    var first = 0
    while first < count {
      let length = Swift.min(blockLength, count &- first)
      var (a, b) = (Vectors.Vector(), Vectors.Vector())
      Vectors.forEach(length) { i, lanes in
        let k = first &+ i
        let w = Vectors.load(weights + k, count: lanes)
        let old = Vectors.load(g + k, count: lanes)
        let db = Vectors.load(biasGradient + k, count: lanes)
        a = Vectors.multiplyAdd(w, old, a)
        b = Vectors.multiplyAdd(w, db, b)
        Vectors.store(Vectors.multiplyAdd(old, scale, shift * db), to: g + k, count: lanes)
      }
      let sums = Self.sums(a, b)
      products += Double(sums.x)
      shifts += Double(sums.y)
      first &+= length
    }
    return (products, shifts)
  }

  /// The sums over the lanes of two vectors, reduced together by halves.
  @inline(__always)
  private static func sums(_ a: Vectors.Vector, _ b: Vectors.Vector) -> SIMD2<Float> {
    let sixteen = clockstep_interleave_low(a, b) + clockstep_interleave_high(a, b)
    let eight = sixteen.lowHalf + sixteen.highHalf
    let four = eight.lowHalf + eight.highHalf
    return four.lowHalf + four.highHalf
  }
}
