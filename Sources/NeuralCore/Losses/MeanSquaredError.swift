// SPDX-License-Identifier: Apache-2.0

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
