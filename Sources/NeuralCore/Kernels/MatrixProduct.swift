// SPDX-License-Identifier: Apache-2.0
internal import COneDNN
internal import CVectorMath

/// Products of row-major Float32 matrices: by oneDNN on one thread, small ones by ``SmallProduct``.
///
/// A product's bits depend on its shape and operands, not on their addresses. So products are
/// computed slice by slice, in shapes that do not depend on the number of replicas.
package enum MatrixProduct {
  /// An operand: its first element, its row stride, and whether to transpose it.
  package struct Operand {
    let base: UnsafePointer<Float>
    let stride: Int
    let transposed: Bool

    package init(base: UnsafePointer<Float>, stride: Int, transposed: Bool = false) {
      self.base = base
      self.stride = stride
      self.transposed = transposed
    }

    var transpose: Operand { Operand(base: base, stride: stride, transposed: !transposed) }
  }

  /// C = A * B, where A is `rows x inner` and B is `inner x columns` after transposition.
  ///
  /// - Parameters:
  ///   - stride: the row stride of C.
  ///   - workspace: room for ``workspaceCount(rows:columns:inner:)`` elements.
  /// - Throws: ``NeuralCoreError/productFailed(rows:columns:inner:status:)`` if oneDNN fails.
  package static func multiply(
    _ a: Operand, by b: Operand, into c: UnsafeMutablePointer<Float>, stride: Int, rows: Int,
    columns: Int, inner: Int, workspace: UnsafeMutablePointer<Float>
  ) throws {
    guard rows > 0 && columns > 0 else { return }
    if SmallProduct.isFaster(rows: rows, columns: columns, inner: inner) {
      let left = SmallProduct.Left(
        base: a.base, rowStride: a.transposed ? 1 : a.stride,
        columnStride: a.transposed ? a.stride : 1)
      var right = SmallProduct.Right(base: b.base, stride: b.stride)
      if b.transposed {
        let padded = Vectors.padded(columns)
        Transposition.transpose(
          b.base, stride: b.stride, rows: columns, columns: inner, into: workspace,
          targetStride: padded, pads: true)
        right = SmallProduct.Right(base: UnsafePointer(workspace), stride: padded)
      }
      SmallProduct.multiply(
        left, by: right, into: c, stride: stride, rows: rows, columns: columns, inner: inner)
      return
    }
    guard b.transposed && isComputedTransposed(rows: rows, columns: columns, inner: inner) else {
      return try multiplyByOneDNN(
        a, by: b, into: c, stride: stride, rows: rows, columns: columns, inner: inner)
    }
    try multiplyByOneDNN(
      b.transpose, by: a.transpose, into: workspace, stride: rows, rows: columns, columns: rows,
      inner: inner)
    Transposition.transpose(
      workspace, stride: rows, rows: columns, columns: rows, into: c, targetStride: stride)
  }

  /// The workspace that products with a transposed B need, for at most `rows` rows.
  package static func workspaceCount(rows: Int, columns: Int, inner: Int) -> Int {
    let transposedRows = Swift.min(rows, maximumTransposedRows(columns: columns, inner: inner))
    return Swift.max(
      SmallProduct.isFaster(rows: 1, columns: columns, inner: inner)
        ? Vectors.padded(columns) * inner : 0,
      isComputedTransposed(rows: transposedRows, columns: columns, inner: inner)
        ? transposedRows * columns : 0)
  }

  /// Whether a product with a transposed B is computed as its own transpose, C^T = B^T A^T.
  ///
  /// oneDNN packs both operands first, and takes three times as long to pack a transposed second
  /// one: 12.6 ms instead of 4.4 ms for 4096 x 4096 (Zen 4). In C^T = B^T A^T the smaller operand
  /// is the second one. This pays off if the result, which is transposed at the end, is small
  /// compared to the larger operand.
  private static func isComputedTransposed(rows: Int, columns: Int, inner: Int) -> Bool {
    rows >= 64 && rows <= maximumTransposedRows(columns: columns, inner: inner)
  }

  private static func maximumTransposedRows(columns: Int, inner: Int) -> Int {
    columns >= 1024 && inner >= 1024 ? inner / 4 : 0
  }

  private static func multiplyByOneDNN(
    _ a: Operand, by b: Operand, into c: UnsafeMutablePointer<Float>, stride: Int, rows: Int,
    columns: Int, inner: Int
  ) throws {
    clockstep_onednn_use_one_thread()
    let status = dnnl_sgemm(
      letter(a.transposed), letter(b.transposed), dnnl_dim_t(rows), dnnl_dim_t(columns),
      dnnl_dim_t(inner), 1, a.base, dnnl_dim_t(a.stride), b.base, dnnl_dim_t(b.stride), 0, c,
      dnnl_dim_t(stride))
    guard status == dnnl_success else {
      throw NeuralCoreError.productFailed(
        rows: rows, columns: columns, inner: inner, status: Int(status.rawValue))
    }
  }

  private static func letter(_ transposed: Bool) -> CChar {
    CChar(UInt8(ascii: transposed ? "T" : "N"))
  }
}

/// Products that are too small for a library call: C = A * B by register tiles.
///
/// Each element of C is one chain of fused multiply-adds over the inner index, so its bits do not
/// depend on the tile or its position. A tile is 8 rows (4 on processors with 16 vector registers)
/// by the 16 columns of a vector; columns beyond the last are masked.
package enum SmallProduct {
  /// The number of multiplications up to which oneDNN is slower: for 32 x 64 x 64 it takes 4.4
  /// microseconds, and this 2.5 (Zen 4).
  private static let maximumMultiplications = 1 << 18

  /// Whether to compute a product here; depends on the shape alone.
  package static func isFaster(rows: Int, columns: Int, inner: Int) -> Bool {
    rows * columns * inner <= maximumMultiplications
  }

  /// A: `rows x inner`, with any row and column stride.
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

  /// B: `inner x columns`, with contiguous rows.
  package struct Right {
    let base: UnsafePointer<Float>
    let stride: Int

    package init(base: UnsafePointer<Float>, stride: Int) {
      self.base = base
      self.stride = stride
    }
  }

  /// C = A * B; `stride` is the row stride of C.
  package static func multiply(
    _ a: Left, by b: Right, into c: UnsafeMutablePointer<Float>, stride: Int, rows: Int,
    columns: Int, inner: Int
  ) {
    let tileRows = Vectors.hasWideRegisters ? 8 : 4
    var column = 0
    while column < columns {
      let lanes = Swift.min(16, columns - column)
      let right = Right(base: b.base + column, stride: b.stride)
      var row = 0
      while row < rows {
        let left = Left(
          base: a.base + row * a.rowStride, rowStride: a.rowStride, columnStride: a.columnStride)
        let target = Tile(c + row * stride + column, stride: stride, lanes: lanes)
        if tileRows == 8 && rows - row >= 8 {
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

  /// A tile of C.
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
      c0 = Vectors.multiplyAdd(Vectors.broadcast(p[0]), v, c0)
      c1 = Vectors.multiplyAdd(Vectors.broadcast(p[s]), v, c1)
      c2 = Vectors.multiplyAdd(Vectors.broadcast(p[2 &* s]), v, c2)
      c3 = Vectors.multiplyAdd(Vectors.broadcast(p[3 &* s]), v, c3)
      c4 = Vectors.multiplyAdd(Vectors.broadcast(p[4 &* s]), v, c4)
      c5 = Vectors.multiplyAdd(Vectors.broadcast(p[5 &* s]), v, c5)
      c6 = Vectors.multiplyAdd(Vectors.broadcast(p[6 &* s]), v, c6)
      c7 = Vectors.multiplyAdd(Vectors.broadcast(p[7 &* s]), v, c7)
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
      c0 = Vectors.multiplyAdd(Vectors.broadcast(p[0]), v, c0)
      c1 = Vectors.multiplyAdd(Vectors.broadcast(p[s]), v, c1)
      c2 = Vectors.multiplyAdd(Vectors.broadcast(p[2 &* s]), v, c2)
      c3 = Vectors.multiplyAdd(Vectors.broadcast(p[3 &* s]), v, c3)
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
      sum = Vectors.multiplyAdd(Vectors.broadcast(p[0]), Vectors.load(q, count: c.lanes), sum)
      p += a.columnStride
      q += b.stride
    }
    c.store(sum, row: 0)
  }
}

/// Transposes matrices.
package enum Transposition {
  /// Writes the transpose of a `rows x columns` matrix, with row stride `targetStride`.
  ///
  /// Works on tiles of 16 x 16 elements, which fit 32 vector registers.
  ///
  /// - Parameter pads: whether to pad the transpose's rows with zeros to whole vectors, for which
  ///   there must be room.
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

  /// Sixteen rows of a matrix, one vector each.
  ///
  /// These are properties and not an array, so that they stay in registers.
  private struct Tile {
    private let a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p: Vectors.Vector

    @inline(__always)
    init(_ row: (Int) -> Vectors.Vector) {
      (a, b, c, d) = (row(0), row(1), row(2), row(3))
      (e, f, g, h) = (row(4), row(5), row(6), row(7))
      (i, j, k, l) = (row(8), row(9), row(10), row(11))
      (m, n, o, p) = (row(12), row(13), row(14), row(15))
    }

    /// Interleaves the low halves of vectors i and i + 8 to vector 2i, their high halves to 2i + 1.
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

    /// The transpose of the tile, by four rounds of interleaving.
    @inline(__always)
    func transposed() -> Tile {
      Tile(interleaving: Tile(interleaving: Tile(interleaving: Tile(interleaving: self))))
    }

    /// Writes the first `width` elements of the first `count` vectors.
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

/// The version and instruction set of oneDNN.
public enum ProductLibrary {
  /// The version, such as `2.6.3`.
  public static var version: String {
    guard let version = dnnl_version()?.pointee else { return "unknown" }
    return "\(version.major).\(version.minor).\(version.patch)"
  }

  /// The instruction set of its kernels on this machine, as oneDNN's `dnnl_cpu_isa_t`.
  public static var instructionSet: UInt32 {
    UInt32(dnnl_get_effective_cpu_isa().rawValue)
  }

  /// Its name, such as `AVX-512 BF16`; its number if it is unknown to oneDNN 2.6.
  public static var instructionSetName: String {
    let names: [UInt32: String] = [
      0x1: "SSE4.1", 0x3: "AVX", 0x7: "AVX2", 0x407: "AVX2 VNNI", 0x27: "AVX-512",
      0x67: "AVX-512 VNNI", 0xe7: "AVX-512 BF16", 0x3e7: "AVX-512 AMX",
    ]
    return names[instructionSet] ?? "oneDNN's \(instructionSet)"
  }
}
