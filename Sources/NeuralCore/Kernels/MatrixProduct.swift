// SPDX-License-Identifier: Apache-2.0
internal import COneDNN

/// Matrix products of row-major Float32 matrices: by oneDNN on one thread, small ones by our own.
///
/// A product's bits depend on its shape and operands, not on where these lie in memory. So products
/// are made slice by slice, in shapes that do not depend on who makes them.
package enum MatrixProduct {
  /// An operand: its first element, the distance from one row to the next, how it is read.
  package struct Operand {
    let base: UnsafePointer<Float>
    let stride: Int
    let transposed: Bool

    package init(base: UnsafePointer<Float>, stride: Int, transposed: Bool = false) {
      self.base = base
      self.stride = stride
      self.transposed = transposed
    }

    /// The operand's transpose.
    var turned: Operand { Operand(base: base, stride: stride, transposed: !transposed) }
  }

  /// C = A * B, with A as `rows x inner` and B as `inner x columns` after the transpositions.
  ///
  /// - Parameter workspace: room for ``workspaceCount(rows:columns:inner:)`` numbers.
  package static func multiply(
    _ a: Operand, by b: Operand, into c: UnsafeMutablePointer<Float>, stride: Int, rows: Int,
    columns: Int, inner: Int, workspace: UnsafeMutablePointer<Float>
  ) throws {
    guard rows > 0 && columns > 0 else { return }
    if SmallProduct.suits(rows: rows, columns: columns, inner: inner) {
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
    guard b.transposed && isTurned(rows: rows, columns: columns, inner: inner) else {
      return try multiplyByOneDNN(
        a, by: b, into: c, stride: stride, rows: rows, columns: columns, inner: inner)
    }
    try multiplyByOneDNN(
      b.turned, by: a.turned, into: workspace, stride: rows, rows: columns, columns: rows,
      inner: inner)
    Transposition.transpose(
      workspace, stride: rows, rows: columns, columns: rows, into: c, targetStride: stride)
  }

  /// The workspace that products with a transposed second operand need, with at most so many rows.
  package static func workspaceCount(rows: Int, columns: Int, inner: Int) -> Int {
    let turnedRows = Swift.min(rows, mostTurnedRows(columns: columns, inner: inner))
    return Swift.max(
      SmallProduct.suits(rows: 1, columns: columns, inner: inner)
        ? Vectors.padded(columns) * inner : 0,
      isTurned(rows: turnedRows, columns: columns, inner: inner) ? turnedRows * columns : 0)
  }

  /// Whether a product by a transposed matrix is made as its own transpose, C^T = B^T A^T.
  ///
  /// oneDNN brings both operands into an order of its own first, and takes three times as long for a
  /// second one that is transposed: 12.6 milliseconds instead of 4.4 for 4096 x 4096 (Zen 4). Turned
  /// round, the smaller operand is the second one. It pays where the result, which is transposed in the
  /// end, is small against the larger operand.
  private static func isTurned(rows: Int, columns: Int, inner: Int) -> Bool {
    rows >= 64 && rows <= mostTurnedRows(columns: columns, inner: inner)
  }

  private static func mostTurnedRows(columns: Int, inner: Int) -> Int {
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

/// Which oneDNN the products come from.
public enum ProductLibrary {
  /// The version, such as `2.6.3`.
  public static var version: String {
    guard let version = dnnl_version()?.pointee else { return "unknown" }
    return "\(version.major).\(version.minor).\(version.patch)"
  }

  /// The instruction set that its kernels are made for on this machine, as oneDNN numbers it.
  public static var instructionSet: UInt32 {
    UInt32(dnnl_get_effective_cpu_isa().rawValue)
  }

  /// The same in words, such as `AVX-512 BF16`; the number where oneDNN 2.6 has no name for it.
  public static var instructionSetName: String {
    let names: [UInt32: String] = [
      0x1: "SSE4.1", 0x3: "AVX", 0x7: "AVX2", 0x407: "AVX2 VNNI", 0x27: "AVX-512",
      0x67: "AVX-512 VNNI", 0xe7: "AVX-512 BF16", 0x3e7: "AVX-512 AMX",
    ]
    return names[instructionSet] ?? "oneDNN's \(instructionSet)"
  }
}
