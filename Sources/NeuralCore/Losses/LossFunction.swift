// SPDX-License-Identifier: Apache-2.0

/// What a network's outputs cost, given what they should have been.
///
/// Both members see some rows of a batch; the network adds up over slices and replicas and divides
/// by the rows of the global batch. A loss of your own needs just these two.
public protocol LossFunction: Sendable {
  /// The sum over the rows of each row's loss.
  ///
  /// - Throws: ``NeuralCoreError`` when outputs and targets don't fit.
  func compute(_ outputs: MatrixView, _ targets: TargetView) throws -> Double

  /// The derivative with respect to the outputs of (sum over the rows) / `batchRows`.
  ///
  /// - Throws: ``NeuralCoreError`` when outputs and targets don't fit.
  func derivative(
    _ outputs: MatrixView, _ targets: TargetView, batchRows: Int,
    into gradient: MutableMatrixView) throws
}

/// The mean over rows of the squared distance ||y - yhat||^2; derivative (2/B)(yhat - y).
///
/// Class targets are taken as one-hot rows.
public struct MeanSquaredError: LossFunction {
  /// Makes the loss.
  public init() {}

  public func compute(_ outputs: MatrixView, _ targets: TargetView) throws -> Double {
    try Targets.check(targets, against: outputs)
    var sum = 0.0
    for row in 0..<outputs.rows {
      let y = outputs.row(row)
      var rowSum = 0.0
      for j in 0..<outputs.columns {
        let d = Double(y[j]) - Double(Targets.value(targets, row, j))
        rowSum += d * d
      }
      sum += rowSum
    }
    return sum
  }

  public func derivative(
    _ outputs: MatrixView, _ targets: TargetView, batchRows: Int,
    into gradient: MutableMatrixView
  ) throws {
    try Targets.check(targets, against: outputs)
    let factor = 2 / Float(batchRows)
    for row in 0..<outputs.rows {
      let y = outputs.row(row)
      let g = gradient.base + row * gradient.columns
      for j in 0..<outputs.columns {
        g[j] = factor * (y[j] - Targets.value(targets, row, j))
      }
    }
  }
}

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
    var sum = 0.0
    for row in 0..<outputs.rows {
      let z = outputs.row(row)
      let (maximum, total) = Softmax.maximumAndSum(z, outputs.columns)
      let logTotal = Softmax.log(total)
      switch targets {
      case .classes(let classes):
        sum += (Double(maximum) - Double(z[Int(classes[row])])) + logTotal
      case .values(let values):
        let y = values.row(row)
        for j in 0..<outputs.columns where y[j] != 0 {
          sum += Double(y[j]) * ((Double(maximum) - Double(z[j])) + logTotal)
        }
      }
    }
    return sum
  }

  public func derivative(
    _ outputs: MatrixView, _ targets: TargetView, batchRows: Int,
    into gradient: MutableMatrixView
  ) throws {
    try Targets.check(targets, against: outputs)
    let scale = 1 / Float(batchRows)
    for row in 0..<outputs.rows {
      let g = gradient.base + row * gradient.columns
      let total = Softmax.exponentials(outputs.row(row), outputs.columns, into: g)
      switch targets {
      case .classes(let classes):
        let factor = scale / Float(total)
        for j in 0..<outputs.columns { g[j] *= factor }
        g[Int(classes[row])] -= scale
      case .values(let values):
        let y = values.row(row)
        var weight = 0.0
        for j in 0..<outputs.columns { weight += Double(y[j]) }
        let factor = scale * Float(weight / total)
        for j in 0..<outputs.columns { g[j] = g[j] * factor - scale * y[j] }
      }
    }
  }
}
