// SPDX-License-Identifier: Apache-2.0
internal import CVectorMath

/// Copies of matrices with rows and columns exchanged.
package enum Transposition {
  /// Writes the transpose of `rows x columns` numbers, its rows `targetStride` apart.
  ///
  /// - Parameter pads: whether its rows are padded with zeros to whole vectors; there must be room.
  ///
  /// Works on tiles of 16 x 16, which 32 vector registers can hold.
  package static func transpose(
    _ source: UnsafePointer<Float>, stride: Int, rows: Int, columns: Int,
    into target: UnsafeMutablePointer<Float>, targetStride: Int, pads: Bool = false
  ) {
    for row in Swift.stride(from: 0, to: rows, by: 16) {
      for column in Swift.stride(from: 0, to: columns, by: 16) {
        let place = source + row * stride + column
        let lanes = Swift.min(16, columns - column)
        let width = pads ? 16 : Swift.min(16, rows - row)
        let tile =
          rows - row >= 16 && lanes == 16
          ? Tile { Vectors.load(place + $0 &* stride) }
          : Tile {
            row + $0 < rows
              ? Vectors.load(place + $0 &* stride, count: lanes) : Vectors.Vector()
          }
        tile.transposed().store(
          lanes, to: target + column * targetStride + row, stride: targetStride, width: width)
      }
    }
  }

  /// Sixteen rows of a matrix, each a vector.
  ///
  /// They are properties rather than an array, so that they stay in registers.
  private struct Tile {
    private let a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p: Vectors.Vector

    @inline(__always)
    init(_ row: (Int) -> Vectors.Vector) {
      (a, b, c, d) = (row(0), row(1), row(2), row(3))
      (e, f, g, h) = (row(4), row(5), row(6), row(7))
      (i, j, k, l) = (row(8), row(9), row(10), row(11))
      (m, n, o, p) = (row(12), row(13), row(14), row(15))
    }

    /// Vector i's low half interleaved with that of vector i + 8 becomes vector 2i, the high halves
    /// 2i + 1.
    @inline(__always)
    private init(interleaving t: Tile) {
      (a, b) = Self.interleave(t.a, t.i)
      (c, d) = Self.interleave(t.b, t.j)
      (e, f) = Self.interleave(t.c, t.k)
      (g, h) = Self.interleave(t.d, t.l)
      (i, j) = Self.interleave(t.e, t.m)
      (k, l) = Self.interleave(t.f, t.n)
      (m, n) = Self.interleave(t.g, t.o)
      (o, p) = Self.interleave(t.h, t.p)
    }

    @inline(__always)
    private static func interleave(
      _ x: Vectors.Vector, _ y: Vectors.Vector
    ) -> (Vectors.Vector, Vectors.Vector) {
      (clockstep_interleave_low(x, y), clockstep_interleave_high(x, y))
    }

    /// The tile with rows and columns exchanged: four rounds of interleaving.
    @inline(__always)
    func transposed() -> Tile {
      Tile(interleaving: Tile(interleaving: Tile(interleaving: Tile(interleaving: self))))
    }

    /// Writes the first `width` numbers of the first `count` vectors.
    @inline(__always)
    func store(_ count: Int, to target: UnsafeMutablePointer<Float>, stride: Int, width: Int) {
      func put(_ row: Int, _ vector: Vectors.Vector) {
        if row < count { Vectors.store(vector, to: target + row &* stride, count: width) }
      }
      put(0, a); put(1, b); put(2, c); put(3, d); put(4, e); put(5, f); put(6, g); put(7, h)
      put(8, i); put(9, j); put(10, k); put(11, l); put(12, m); put(13, n); put(14, o); put(15, p)
    }
  }
}
