// SPDX-License-Identifier: Apache-2.0

/// Products too small for a library call to pay: C = A * B by tiles held in registers.
///
/// An element of C is one chain of fused multiplications and additions over the inner index, so
/// its bits depend on neither tile nor place. A tile is 8 rows (4 where there are 16 registers) by
/// the 16 columns of a vector; columns beyond the last are masked.
package enum SmallProduct {
  /// Up to this many multiplications, oneDNN takes longer (measured on Zen 4: 32x64x64 takes it 4.4
  /// microseconds, and 2.5 here).
  package static let mostMultiplications = 1 << 18

  /// Whether a product is made here; depends on the shape alone.
  package static func suits(rows: Int, columns: Int, inner: Int) -> Bool {
    rows * columns * inner <= mostMultiplications
  }

  /// A as `rows x inner` with any distance between rows and between columns.
  package struct Left {
    let base: UnsafePointer<Float>
    let rowStride: Int
    let columnStride: Int

    package init(base: UnsafePointer<Float>, rowStride: Int, columnStride: Int) {
      self.base = base
      self.rowStride = rowStride
      self.columnStride = columnStride
    }
  }

  /// B as `inner x columns`, rows contiguous.
  package struct Right {
    let base: UnsafePointer<Float>
    let stride: Int

    package init(base: UnsafePointer<Float>, stride: Int) {
      self.base = base
      self.stride = stride
    }
  }

  package static func multiply(
    _ a: Left, by b: Right, into c: UnsafeMutablePointer<Float>, stride: Int, rows: Int,
    columns: Int, inner: Int
  ) {
    let most = Vectors.hasWideRegisters ? 8 : 4
    var column = 0
    while column < columns {
      let lanes = Swift.min(16, columns - column)
      let right = Right(base: b.base + column, stride: b.stride)
      var row = 0
      while row < rows {
        let left = Left(
          base: a.base + row * a.rowStride, rowStride: a.rowStride, columnStride: a.columnStride)
        let target = Tile(c + row * stride + column, stride: stride, lanes: lanes)
        if most == 8 && rows - row >= 8 {
          eightRows(left, right, target, inner)
          row += 8
        } else if rows - row >= 4 {
          fourRows(left, right, target, inner)
          row += 4
        } else {
          oneRow(left, right, target, inner)
          row += 1
        }
      }
      column += 16
    }
  }

  /// Where the columns of a tile go.
  private struct Tile {
    let base: UnsafeMutablePointer<Float>
    let stride: Int
    let lanes: Int

    init(_ base: UnsafeMutablePointer<Float>, stride: Int, lanes: Int) {
      self.base = base
      self.stride = stride
      self.lanes = lanes
    }

    @inline(__always)
    func store(_ vector: Vectors.Vector, row: Int) {
      Vectors.store(vector, to: base + row &* stride, count: lanes)
    }
  }

  @inline(__always)
  private static func eightRows(_ a: Left, _ b: Right, _ c: Tile, _ inner: Int) {
    let s = a.rowStride
    var (c0, c1, c2, c3) = (Vectors.Vector(), Vectors.Vector(), Vectors.Vector(), Vectors.Vector())
    var (c4, c5, c6, c7) = (Vectors.Vector(), Vectors.Vector(), Vectors.Vector(), Vectors.Vector())
    var (p, q) = (a.base, b.base)
    for _ in 0..<inner {
      let v = Vectors.load(q, count: c.lanes)
      c0 = Vectors.multiplyAdd(Vectors.all(p[0]), v, c0)
      c1 = Vectors.multiplyAdd(Vectors.all(p[s]), v, c1)
      c2 = Vectors.multiplyAdd(Vectors.all(p[2 &* s]), v, c2)
      c3 = Vectors.multiplyAdd(Vectors.all(p[3 &* s]), v, c3)
      c4 = Vectors.multiplyAdd(Vectors.all(p[4 &* s]), v, c4)
      c5 = Vectors.multiplyAdd(Vectors.all(p[5 &* s]), v, c5)
      c6 = Vectors.multiplyAdd(Vectors.all(p[6 &* s]), v, c6)
      c7 = Vectors.multiplyAdd(Vectors.all(p[7 &* s]), v, c7)
      p += a.columnStride
      q += b.stride
    }
    c.store(c0, row: 0); c.store(c1, row: 1); c.store(c2, row: 2); c.store(c3, row: 3)
    c.store(c4, row: 4); c.store(c5, row: 5); c.store(c6, row: 6); c.store(c7, row: 7)
  }

  @inline(__always)
  private static func fourRows(_ a: Left, _ b: Right, _ c: Tile, _ inner: Int) {
    let s = a.rowStride
    var (c0, c1, c2, c3) = (Vectors.Vector(), Vectors.Vector(), Vectors.Vector(), Vectors.Vector())
    var (p, q) = (a.base, b.base)
    for _ in 0..<inner {
      let v = Vectors.load(q, count: c.lanes)
      c0 = Vectors.multiplyAdd(Vectors.all(p[0]), v, c0)
      c1 = Vectors.multiplyAdd(Vectors.all(p[s]), v, c1)
      c2 = Vectors.multiplyAdd(Vectors.all(p[2 &* s]), v, c2)
      c3 = Vectors.multiplyAdd(Vectors.all(p[3 &* s]), v, c3)
      p += a.columnStride
      q += b.stride
    }
    c.store(c0, row: 0); c.store(c1, row: 1); c.store(c2, row: 2); c.store(c3, row: 3)
  }

  @inline(__always)
  private static func oneRow(_ a: Left, _ b: Right, _ c: Tile, _ inner: Int) {
    var sum = Vectors.Vector()
    var (p, q) = (a.base, b.base)
    for _ in 0..<inner {
      sum = Vectors.multiplyAdd(Vectors.all(p[0]), Vectors.load(q, count: c.lanes), sum)
      p += a.columnStride
      q += b.stride
    }
    c.store(sum, row: 0)
  }
}
