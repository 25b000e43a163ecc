// SPDX-License-Identifier: Apache-2.0

/// The mean over rows of the cross-entropy of softmax(logits); derivative (softmax - y)/B.
///
/// Log-sum-exp and softmax are shifted by the row's maximum, and differences of logits are taken
/// in Float64, so that both are finite for any finite logits. Soft labels weigh the classes; with
/// weights that don't add up to 1 the derivative is (softmax * sum(y) - y)/B.
public struct CrossEntropy: LossFunction {
  /// Makes the loss.
  public init() {}

  public func compute(_ outputs: MatrixView, _ targets: TargetView) throws -> Double {
    try Targets.check(targets, against: outputs)
    var sum = LogarithmSum()
    for row in 0..<outputs.rows {
      let z = outputs.row(row)
      let (maximum, total) = Softmax.maximumAndSum(z, outputs.columns)
      add(row: row, of: outputs, targets, maximum: maximum, total: total, to: &sum)
    }
    return sum.value
  }

  public func derivative(
    _ outputs: MatrixView, _ targets: TargetView, batchRows: Int,
    into gradient: MutableMatrixView
  ) throws {
    _ = try computeWithDerivative(outputs, targets, batchRows: batchRows, into: gradient)
  }

  public func computeWithDerivative(
    _ outputs: MatrixView, _ targets: TargetView, batchRows: Int,
    into gradient: MutableMatrixView
  ) throws -> Double {
    try Targets.check(targets, against: outputs)
    let scale = 1 / Float(batchRows)
    if case .classes(let classes) = targets, outputs.columns <= 16 {
      return ofFewClasses(outputs, classes, scale: scale, into: gradient)
    }
    var sum = LogarithmSum()
    for row in 0..<outputs.rows {
      let g = gradient.base + row * gradient.columns
      let (maximum, total) = Softmax.exponentials(outputs.row(row), outputs.columns, into: g)
      add(row: row, of: outputs, targets, maximum: maximum, total: total, to: &sum)
      switch targets {
      case .classes(let classes):
        Softmax.scale(g, outputs.columns, by: scale / Float(total))
        g[Int(classes[row])] -= scale
      case .values(let values):
        let y = values.row(row)
        var weight = 0.0
        for j in 0..<outputs.columns { weight += Double(y[j]) }
        let factor = scale * Float(weight / total)
        for j in 0..<outputs.columns { g[j] = g[j] * factor - scale * y[j] }
      }
    }
    return sum.value
  }

  /// The same for rows of one vector, which stay in a register; no bit is another.
  private func ofFewClasses(
    _ outputs: MatrixView, _ classes: UnsafeBufferPointer<Int32>, scale: Float,
    into gradient: MutableMatrixView
  ) -> Double {
    let n = outputs.columns
    var sum = LogarithmSum()
    for row in 0..<outputs.rows {
      let z = outputs.base + row * n
      let (e, maximum, total) = Softmax.exponentials(z, ofFew: n)
      sum.add(Double(maximum) - Double(z[Int(classes[row])]), logarithmOf: total)
      let p = e * (scale / Float(total))
      Vectors.store(
        p.replacing(with: p - scale, where: Vectors.isLane(classes[row])),
        to: gradient.base + row * n, count: n)
    }
    return sum.value
  }

  /// Adds the loss of a row: the logarithm of its total, and the maximum's distance to its target.
  @inline(__always)
  private func add(
    row: Int, of outputs: MatrixView, _ targets: TargetView, maximum: Float, total: Double,
    to sum: inout LogarithmSum
  ) {
    let z = outputs.base + row * outputs.columns
    switch targets {
    case .classes(let classes):
      sum.add(Double(maximum) - Double(z[Int(classes[row])]), logarithmOf: total)
    case .values(let values):
      let y = values.row(row)
      let logTotal = Softmax.log(total)
      for j in 0..<outputs.columns where y[j] != 0 {
        sum.add(Double(y[j]) * ((Double(maximum) - Double(z[j])) + logTotal), logarithmOf: 1)
      }
    }
  }
}

/// A sum of numbers and of logarithms, of which few are taken: log a + log b = log(a * b).
private struct LogarithmSum {
  private var sum = 0.0
  private var product = 1.0

  /// Adds `number` + log(`total`), for totals from 1 on; NaN stays NaN.
  @inline(__always)
  mutating func add(_ number: Double, logarithmOf total: Double) {
    sum += number
    product *= total
    // A total is at most the number of outputs, so the next product can't overflow.
    if product > 1e200 {
      sum += Softmax.log(product)
      product = 1
    }
  }

  /// The sum.
  var value: Double { sum + Softmax.log(product) }
}
