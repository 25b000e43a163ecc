// SPDX-License-Identifier: Apache-2.0

/// The order in which column sums run over the rows of a matrix.
///
/// Rows are added a few at a time, in pairs, and up to 128 of them in Float32 before the sums go
/// over to Float64. The order depends on the number of rows alone.
package enum RowBlocks {
  /// How many rows are added in Float32.
  package static let rowsAtOnce = 128

  /// Calls `body` with each block of rows.
  @inline(__always)
  package static func forEach(rows: Int, _ body: (Range<Int>) -> Void) {
    var first = 0
    while first < rows {
      let end = Swift.min(first + rowsAtOnce, rows)
      body(first..<end)
      first = end
    }
  }

  /// sums_j = the sum over a block's rows of `term(row, j, lanes)`, for all columns.
  ///
  /// `sums` is overwritten, up to the next whole vector.
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

  /// The same for two terms at once, into `sums` and `moreSums`.
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
