// SPDX-License-Identifier: Apache-2.0
import COneDNN
import NeuralCore

/// Measures a layer's three products, and oneDNN's of the same shape where ours are not oneDNN's.
struct ProductKernels {
  let workload: Workload
  let limits: MachineLimits
  private let left, right, result, workspace: AlignedBuffer<Float>

  init(_ workload: Workload, _ limits: MachineLimits) {
    self.workload = workload
    self.limits = limits
    let (rows, n, m) = (workload.batch, workload.inputs, workload.outputs)
    let most = Swift.max(rows * n, rows * m, m * n)
    (left, right) = (AlignedBuffer(count: most), AlignedBuffer(count: most))
    left.fill(with: 0.5)
    right.fill(with: 0.25)
    result = AlignedBuffer(count: most)
    workspace = AlignedBuffer(
      count: MatrixProduct.workspaceCount(rows: rows, columns: n, inner: m))
  }

  func measure() throws -> [Measurement] {
    let (rows, n, m) = (workload.batch, workload.inputs, workload.outputs)
    let forward = Product(rows: rows, columns: m, inner: n, transposed: (false, false))
    let backward = Product(rows: rows, columns: n, inner: m, transposed: (false, true))
    let weights = Product(rows: n, columns: m, inner: rows, transposed: (true, false))
    return try [
      ("outputs, A W^T", forward), ("input gradient, dZ W", backward),
      ("weight gradient, A^T dZ", weights),
    ].flatMap { name, product in
      let ours = try row(name, product) { try multiply(product) }
      guard SmallProduct.suits(rows: product.rows, columns: product.columns, inner: product.inner)
      else { return [ours] }
      return [ours, try row("the same by oneDNN", product) { try multiplyByOneDNN(product) }]
    }
  }

  private struct Product {
    let rows, columns, inner: Int
    let transposed: (left: Bool, right: Bool)
    var leftStride: Int { transposed.left ? rows : inner }
    var rightStride: Int { transposed.right ? inner : columns }
  }

  private func multiply(_ product: Product) throws {
    try MatrixProduct.multiply(
      .init(base: left.base, stride: product.leftStride, transposed: product.transposed.left),
      by: .init(
        base: right.base, stride: product.rightStride, transposed: product.transposed.right),
      into: result.base, stride: product.columns, rows: product.rows, columns: product.columns,
      inner: product.inner, workspace: workspace.base)
  }

  private func multiplyByOneDNN(_ product: Product) throws {
    clockstep_onednn_use_one_thread()
    let letter = { (transposed: Bool) in CChar(UInt8(ascii: transposed ? "T" : "N")) }
    let status = dnnl_sgemm(
      letter(product.transposed.left), letter(product.transposed.right),
      dnnl_dim_t(product.rows), dnnl_dim_t(product.columns), dnnl_dim_t(product.inner), 1,
      left.base, dnnl_dim_t(product.leftStride), right.base, dnnl_dim_t(product.rightStride), 0,
      result.base, dnnl_dim_t(product.columns))
    guard status == dnnl_success else {
      throw NeuralCoreError.productFailed(
        rows: product.rows, columns: product.columns, inner: product.inner,
        status: Int(status.rawValue))
    }
  }

  private func row(
    _ kernel: String, _ product: Product, _ body: () throws -> Void
  ) rethrows -> Measurement {
    let (rows, columns, inner) = (product.rows, product.columns, product.inner)
    return Measurement(
      network: workload.name, kernel: kernel, shape: "\(rows) x \(columns) x \(inner)",
      seconds: try Clock.seconds(body), operations: 2 * Double(rows * columns * inner),
      bytes: 4 * (rows * inner + inner * columns + rows * columns), limits: limits)
  }
}
