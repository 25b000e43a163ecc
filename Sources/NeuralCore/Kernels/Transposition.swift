// SPDX-License-Identifier: Apache-2.0
internal import CVectorMath

/// Copies of matrices with rows and columns exchanged.
package enum Transposition {
  /// Writes the transpose of `rows x columns` numbers; each row of the result is padded with zeros
  /// to whole vectors, `paddedStride` apart.
  ///
  /// Works on tiles of 16 x 16. A tile is transposed in four rounds, each of which interleaves
  /// vector i with vector i + 8: the low halves become vector 2i, the high halves 2i + 1.
  ///
  /// - Parameter scratch: room for ``scratchCount`` numbers, on a 64-byte boundary.
  package static func transpose(
    _ source: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int,
    into target: UnsafeMutablePointer<Float>, paddedStride: Int,
    scratch: UnsafeMutablePointer<Float>
  ) {
    scratch.withMemoryRebound(to: Vectors.Vector.self, capacity: 32) { tile in
      for row in Swift.stride(from: 0, to: rows, by: 16) {
        for column in Swift.stride(from: 0, to: columns, by: 16) {
          let lanes = Swift.min(16, columns - column)
          for i in 0..<16 {
            tile[i] =
              row + i < rows
              ? Vectors.load(source + (row + i) * stride + column, count: lanes)
              : Vectors.Vector()
          }
          transposeTile(tile, tile + 16)
          for i in 0..<lanes {
            Vectors.store(tile[i], to: target + (column + i) * paddedStride + row)
          }
        }
      }
    }
  }

  /// Two tiles, which are too large for Swift to put temporarily on the stack.
  package static let scratchCount = 2 * 16 * 16

  @inline(__always)
  private static func transposeTile(
    _ tile: UnsafeMutablePointer<Vectors.Vector>, _ other: UnsafeMutablePointer<Vectors.Vector>
  ) {
    interleave(tile, into: other)
    interleave(other, into: tile)
    interleave(tile, into: other)
    interleave(other, into: tile)
  }

  @inline(__always)
  private static func interleave(
    _ source: UnsafeMutablePointer<Vectors.Vector>,
    into target: UnsafeMutablePointer<Vectors.Vector>
  ) {
    for i in 0..<8 {
      target[2 * i] = clockstep_interleave_low(source[i], source[i + 8])
      target[2 * i + 1] = clockstep_interleave_high(source[i], source[i + 8])
    }
  }
}
