// SPDX-License-Identifier: Apache-2.0

/// What a normalization subtracts and multiplies by, feature by feature.
///
/// The mean is kept in two Float32 parts whose sum is exact to about 48 bits: with features of
/// mean 1e6 and unit deviation, one Float32 alone would be off by up to 3 % of the deviation.
package struct NormalizationScales {
  package let meanHigh: UnsafeMutablePointer<Float>
  package let meanLow: UnsafeMutablePointer<Float>
  package let reciprocalDeviation: UnsafeMutablePointer<Float>
  private let stride: Int

  /// Scales of `features` features in a buffer of ``count(features:)`` numbers.
  package init(_ buffer: AlignedBuffer<Float>, features: Int) {
    precondition(buffer.count >= Self.count(features: features), "scales outside the buffer")
    stride = Vectors.padded(features)
    meanHigh = buffer.base
    meanLow = buffer.base + stride
    reciprocalDeviation = buffer.base + 2 * stride
  }

  /// How many numbers the scales of `features` features take up.
  package static func count(features: Int) -> Int { 3 * Vectors.padded(features) }

  /// Takes over means and variances; a variance that overflowed poisons the feature.
  package func set(_ moments: SliceStatistics, rows: Double, epsilon: Double) {
    let (mean, squares) = (moments.mean, moments.sumOfSquares)
    let factor = 1 / rows
    DoubleVectors.forEach(stride) { j in
      let exact = DoubleVectors.load(mean + j)
      DoubleVectors.store(exact, to: meanHigh + j)
      DoubleVectors.store(exact - DoubleVectors.load(meanHigh + j), to: meanLow + j)
      let variance = DoubleVectors.load(squares + j) * factor
      let root = DoubleVectors.squareRoot(variance + epsilon)
      // An infinite variance would give 0, which hides it: infinity minus itself is NaN.
      DoubleVectors.store((variance - variance) + 1 / root, to: reciprocalDeviation + j)
    }
  }

  /// running = momentum * running + (1 - momentum) * batch, for mean and variance.
  package static func updateRunning(
    mean runningMean: UnsafeMutablePointer<Float>,
    variance runningVariance: UnsafeMutablePointer<Float>, from moments: SliceStatistics,
    rows: Double, momentum: Double
  ) {
    let (mean, squares) = (moments.mean, moments.sumOfSquares)
    let factor = 1 / rows
    // Tensors start on whole vectors, and the gaps behind them hold zeros, which stay zeros.
    DoubleVectors.forEach(Vectors.padded(moments.features)) { j in
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
