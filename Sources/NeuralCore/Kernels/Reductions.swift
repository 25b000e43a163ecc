// SPDX-License-Identifier: Apache-2.0

/// Sums over contiguous memory, in an order that depends on the length alone.
public enum Reductions {
  /// The sum of squares of `count` values, in Float64, which squares of Float32 cannot overflow.
  ///
  /// Accumulates 32 sums, one per index modulo 32, which are added pairwise at the end.
  public static func sumOfSquares(_ values: UnsafePointer<Float>, _ count: Int) -> Double {
    var (a, b) = (DoubleVectors.Vector(), DoubleVectors.Vector())
    var (c, d) = (DoubleVectors.Vector(), DoubleVectors.Vector())
    var i = 0
    while i &+ 32 <= count {
      let (w, x) = (DoubleVectors.load(values + i), DoubleVectors.load(values + i + 8))
      let (y, z) = (DoubleVectors.load(values + i + 16), DoubleVectors.load(values + i + 24))
      // The square of a Float32 is exact in Float64, so fusing changes no bits.
      a = DoubleVectors.multiplyAdd(w, w, a)
      b = DoubleVectors.multiplyAdd(x, x, b)
      c = DoubleVectors.multiplyAdd(y, y, c)
      d = DoubleVectors.multiplyAdd(z, z, d)
      i &+= 32
    }
    var rest = 0.0
    while i < count {
      rest += Double(values[i]) * Double(values[i])
      i &+= 1
    }
    return sum((a + b) + (c + d)) + rest
  }

  /// The sum of `count` values: eight sums, one per index modulo 8, which are added by halves.
  public static func sum(_ values: UnsafePointer<Double>, _ count: Int) -> Double {
    var sums = DoubleVectors.Vector()
    var i = 0
    while i &+ 8 <= count {
      sums += DoubleVectors.load(values + i)
      i &+= 8
    }
    var rest = 0.0
    while i < count {
      rest += values[i]
      i &+= 1
    }
    return sum(sums) + rest
  }

  /// The sum over lanes, reduced by halves.
  @inline(__always)
  package static func sum(_ x: DoubleVectors.Vector) -> Double {
    let four = x.lowHalf + x.highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
  }

  /// target_i += addend_i.
  public static func add(
    _ addend: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    add(target, addend, into: target, count)
  }

  /// target_i += factor * addend_i, with the product rounded before the addition.
  public static func add(
    _ addend: UnsafePointer<Float>, times factor: Float, to target: UnsafeMutablePointer<Float>,
    _ count: Int
  ) {
    let factor = Vectors.broadcast(factor)
    Vectors.forEach(count) { i, lanes in
      let product = factor * Vectors.load(addend + i, count: lanes)
      Vectors.store(Vectors.load(target + i, count: lanes) + product, to: target + i, count: lanes)
    }
  }

  /// sums_i = left_i + right_i; `sums` may be `left` or `right`.
  public static func add(
    _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>,
    into sums: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    Vectors.forEach(count) { i, lanes in
      let sum = Vectors.load(left + i, count: lanes) + Vectors.load(right + i, count: lanes)
      Vectors.store(sum, to: sums + i, count: lanes)
    }
  }
}

/// Sums over the rows of a matrix, in an order that depends on the number of rows alone.
///
/// Rows are added pairwise, in blocks of up to 128 rows in Float32; the caller adds the sums of
/// blocks in Float64.
package enum RowBlocks {
  /// The number of rows that are added in Float32.
  package static let blockRows = 128

  /// Calls `body` for each block of rows.
  @inline(__always)
  package static func forEach(rows: Int, _ body: (Range<Int>) -> Void) {
    var first = 0
    while first < rows {
      let end = Swift.min(first + blockRows, rows)
      body(first..<end)
      first = end
    }
  }

  /// sums_j = the sum over a block's rows of `term(row, j, lanes)`, for all columns.
  ///
  /// Overwrites `sums`, up to the next whole vector.
  @inline(__always)
  package static func sum(
    _ block: Range<Int>, columns: Int, into sums: UnsafeMutablePointer<Float>,
    _ term: (_ row: Int, _ column: Int, _ lanes: Int) -> Vectors.Vector
  ) {
    sums.update(repeating: 0, count: Vectors.padded(columns))
    var row = block.lowerBound
    while row &+ 4 <= block.upperBound {
      Vectors.forEach(columns) { j, lanes in
        let pair = term(row, j, lanes) + term(row &+ 1, j, lanes)
        let next = term(row &+ 2, j, lanes) + term(row &+ 3, j, lanes)
        Vectors.store(Vectors.load(sums + j) + (pair + next), to: sums + j)
      }
      row &+= 4
    }
    while row < block.upperBound {
      Vectors.forEach(columns) { j, lanes in
        Vectors.store(Vectors.load(sums + j) + term(row, j, lanes), to: sums + j)
      }
      row &+= 1
    }
  }

  /// The same for two terms, into `sums` and `moreSums`.
  @inline(__always)
  package static func sum(
    _ block: Range<Int>, columns: Int, into sums: UnsafeMutablePointer<Float>,
    and moreSums: UnsafeMutablePointer<Float>,
    _ terms: (_ row: Int, _ column: Int, _ lanes: Int) -> (Vectors.Vector, Vectors.Vector)
  ) {
    sums.update(repeating: 0, count: Vectors.padded(columns))
    moreSums.update(repeating: 0, count: Vectors.padded(columns))
    var row = block.lowerBound
    while row &+ 2 <= block.upperBound {
      Vectors.forEach(columns) { j, lanes in
        let (a, b) = terms(row, j, lanes)
        let (c, d) = terms(row &+ 1, j, lanes)
        Vectors.store(Vectors.load(sums + j) + (a + c), to: sums + j)
        Vectors.store(Vectors.load(moreSums + j) + (b + d), to: moreSums + j)
      }
      row &+= 2
    }
    guard row < block.upperBound else { return }
    Vectors.forEach(columns) { j, lanes in
      let (a, b) = terms(row, j, lanes)
      Vectors.store(Vectors.load(sums + j) + a, to: sums + j)
      Vectors.store(Vectors.load(moreSums + j) + b, to: moreSums + j)
    }
  }
}
