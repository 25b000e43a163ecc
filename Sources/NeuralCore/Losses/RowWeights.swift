// SPDX-License-Identifier: Apache-2.0

extension LossFunction {
  /// The weighted sum of the rows' losses, and the derivative of that sum divided by `batchRows`.
  ///
  ///     loss       = sum over rows i of w_i * loss_i
  ///     derivative = w_i * (derivative of loss_i) / batchRows, in row i
  ///
  /// It is `torch.nn.CrossEntropyLoss(reduction="none")` times the weights, divided by the number of
  /// rows: PyTorch's own `weight` divides by the sum of the weights in the batch instead. With weights
  /// of mean 1 over the training rows, the loss of an epoch is the same.
  ///
  /// Every loss function has it, since it calls ``computeWithDerivative(_:_:batchRows:into:)`` row by
  /// row. Rows of weight 1 have the bits of an unweighted gradient.
  ///
  /// - Parameters:
  ///   - weights: the weight of each row, as many as rows.
  ///   - batchRows: the number of rows of the global batch.
  ///   - gradient: receives the derivative, in the shape of `outputs`.
  /// - Returns: the sum, not divided by the number of rows.
  /// - Throws: ``NeuralCoreError`` if outputs, targets and weights don't fit.
  func computeWithDerivative(
    _ outputs: MatrixView, _ targets: TargetView, weights: UnsafeBufferPointer<Float>,
    batchRows: Int, into gradient: MutableMatrixView
  ) throws -> Double {
    guard weights.count == outputs.rows, targets.rows == outputs.rows else {
      throw NeuralCoreError.shapeMismatch(
        what: "rows of targets and weights", expected: outputs.rows,
        found: weights.count == outputs.rows ? targets.rows : weights.count)
    }
    var sum = 0.0
    for row in 0..<outputs.rows {
      let own = row..<row + 1
      let part = gradient.rows(own)
      let loss = try computeWithDerivative(
        outputs.rows(own), targets.rows(own), batchRows: batchRows, into: part)
      sum += Double(weights[row]) * loss
      Softmax.scale(part.base, part.columns, by: weights[row])
    }
    return sum
  }
}
