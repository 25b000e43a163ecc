// SPDX-License-Identifier: Apache-2.0
internal import CVectorMath

/// The kernels of layer normalization: each row is normalized by its own mean and variance.
///
/// A row's sums are added in an order that depends on the number of columns alone: in Float32 over
/// blocks of 1,024 columns, as 64 sums, and over blocks in Float64.
package enum RowNormalization {
  private static let blockLength = 1024
  private typealias Vector = Vectors.Vector

  /// Ahat = (A - mean) / sqrt(var + eps) and Abar = Ahat * gamma + beta, with mean and population
  /// variance over the columns of each row.
  ///
  /// The mean is that of the row's differences from its first element, which are exact for numbers near
  /// it and 0 in a constant row; what rounding leaves is found with the squares and subtracted too
  /// (Chan, Golub, LeVeque, "Algorithms for Computing the Sample Variance", The American Statistician
  /// 37, 1983: the corrected two-pass algorithm). A large mean loses no digits.
  ///
  /// - Parameters:
  ///   - normalized: receives Ahat; may be `scaled`, which then receives Abar.
  ///   - reciprocalDeviation: receives 1 / sqrt(var + eps) of each row, NaN if the variance overflows;
  ///     nil if nobody needs it.
  package static func normalize(
    _ a: MatrixView, epsilon: Double, gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>,
    normalized: UnsafeMutablePointer<Float>, scaled: UnsafeMutablePointer<Float>,
    reciprocalDeviation: UnsafeMutablePointer<Float>?
  ) {
    let n = a.columns
    for row in 0..<a.rows {
      let x = a.base + row &* n
      let first = x[0]
      let shift = sum(n) { j, lanes in deviation(x + j, lanes, from: first) } / Double(n)
      let center = Float(Double(first) + shift)
      let (rest, squares) = sums(n) { j, lanes in
        let d = deviation(x + j, lanes, from: center)
        return (d, d * d)
      }
      let correction = rest / Double(n)
      let variance = Swift.max(squares / Double(n) - correction * correction, 0)
      // An infinite variance would hide as a 0 here: infinity minus infinity is NaN.
      let rstd = Float((variance - variance) + 1 / (variance + epsilon).squareRoot())
      if let reciprocalDeviation { reciprocalDeviation[row] = rstd }
      let (high, low) = (Vectors.broadcast(center), Vectors.broadcast(Float(correction)))
      let factor = Vectors.broadcast(rstd)
      let (hat, bar) = (normalized + row &* n, scaled + row &* n)
      @inline(__always)
      func write(_ j: Int, _ lanes: Int) {
        let h = ((Vectors.load(x + j, count: lanes) - high) - low) * factor
        Vectors.store(h, to: hat + j, count: lanes)
        let scaled = Vectors.multiplyAdd(
          h, Vectors.load(gamma + j, count: lanes), Vectors.load(beta + j, count: lanes))
        Vectors.store(scaled, to: bar + j, count: lanes)
      }
      Vectors.forEach(n, write)
    }
  }

  /// x - center; 0 in the lanes beyond the row.
  @inline(__always)
  private static func deviation(
    _ x: UnsafePointer<Float>, _ lanes: Int, from center: Float
  ) -> Vector {
    let d = Vectors.load(x, count: lanes) - Vectors.broadcast(center)
    return lanes == 16 ? d : clockstep_keep(d, (1 << UInt32(lanes)) - 1)
  }

  /// dA = (g - mean(g) - Ahat * mean(g * Ahat)) / sqrt(var + eps) with g = dAbar * gamma, and means
  /// over the columns of each row.
  ///
  /// - Parameter inputGradient: receives dA; may be dAbar itself.
  package static func differentiate(
    _ gradient: MatrixView, normalized: UnsafePointer<Float>, gamma: UnsafePointer<Float>,
    reciprocalDeviation: UnsafePointer<Float>, into inputGradient: MutableMatrixView
  ) {
    let n = gradient.columns
    for row in 0..<gradient.rows {
      let (dBar, hat) = (gradient.base + row &* n, normalized + row &* n)
      let dA = inputGradient.base + row &* n
      let (ofGradient, ofProduct) = sums(n) { j, lanes in
        let g = Vectors.load(dBar + j, count: lanes) * Vectors.load(gamma + j, count: lanes)
        return (g, g * Vectors.load(hat + j, count: lanes))
      }
      let mean = Vectors.broadcast(Float(ofGradient / Double(n)))
      let product = Vectors.broadcast(Float(ofProduct / Double(n)))
      let factor = Vectors.broadcast(reciprocalDeviation[row])
      @inline(__always)
      func write(_ j: Int, _ lanes: Int) {
        let g = Vectors.load(dBar + j, count: lanes) * Vectors.load(gamma + j, count: lanes)
        let projected = (g - mean) - Vectors.load(hat + j, count: lanes) * product
        Vectors.store(projected * factor, to: dA + j, count: lanes)
      }
      Vectors.forEach(n, write)
    }
  }

  // MARK: - Sums over a row

  /// The sum of `term(column, lanes)` over the vectors of a row.
  @inline(__always)
  private static func sum(
    _ columns: Int, _ term: (_ column: Int, _ lanes: Int) -> Vector
  ) -> Double {
    var total = 0.0
    var first = 0
    while first < columns {
      let end = Swift.min(first &+ blockLength, columns)
      var (a, b, c, d) = (Vector(), Vector(), Vector(), Vector())
      var j = first
      while j &+ 64 <= end {
        a += term(j, 16)
        b += term(j &+ 16, 16)
        c += term(j &+ 32, 16)
        d += term(j &+ 48, 16)
        j &+= 64
      }
      while j &+ 16 <= end {
        a += term(j, 16)
        j &+= 16
      }
      if j < end { b += term(j, end &- j) }
      total += Double(sum((a + b) + (c + d)))
      first = end
    }
    return total
  }

  /// The sums of both values of `terms(column, lanes)` over the vectors of a row.
  @inline(__always)
  private static func sums(
    _ columns: Int, _ terms: (_ column: Int, _ lanes: Int) -> (Vector, Vector)
  ) -> (Double, Double) {
    var (total, total2) = (0.0, 0.0)
    var first = 0
    while first < columns {
      let end = Swift.min(first &+ blockLength, columns)
      var (a, b, c, d) = (Vector(), Vector(), Vector(), Vector())
      var (a2, b2, c2, d2) = (Vector(), Vector(), Vector(), Vector())
      @inline(__always)
      func add(_ j: Int, _ lanes: Int, _ sum: inout Vector, _ sum2: inout Vector) {
        let (x, y) = terms(j, lanes)
        sum += x
        sum2 += y
      }
      var j = first
      while j &+ 64 <= end {
        add(j, 16, &a, &a2)
        add(j &+ 16, 16, &b, &b2)
        add(j &+ 32, 16, &c, &c2)
        add(j &+ 48, 16, &d, &d2)
        j &+= 64
      }
      while j &+ 16 <= end {
        add(j, 16, &a, &a2)
        j &+= 16
      }
      if j < end { add(j, end &- j, &b, &b2) }
      total += Double(sum((a + b) + (c + d)))
      total2 += Double(sum((a2 + b2) + (c2 + d2)))
      first = end
    }
    return (total, total2)
  }

  /// The sum over lanes, reduced by halves.
  @inline(__always)
  private static func sum(_ x: Vector) -> Float {
    let eight = x.lowHalf + x.highHalf
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
  }
}
