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

  /// Both at once: returns what ``compute(_:_:)`` does, and writes what
  /// ``derivative(_:_:batchRows:into:)`` does.
  ///
  /// There is an implementation for every loss; one of your own is worth it for speed only.
  func computeWithDerivative(
    _ outputs: MatrixView, _ targets: TargetView, batchRows: Int,
    into gradient: MutableMatrixView
  ) throws -> Double
}

extension LossFunction {
  public func computeWithDerivative(
    _ outputs: MatrixView, _ targets: TargetView, batchRows: Int,
    into gradient: MutableMatrixView
  ) throws -> Double {
    try derivative(outputs, targets, batchRows: batchRows, into: gradient)
    return try compute(outputs, targets)
  }
}
