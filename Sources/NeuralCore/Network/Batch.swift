// SPDX-License-Identifier: Apache-2.0

/// The targets of some rows, in memory that the caller owns.
public enum TargetView {
  /// One class index per row.
  case classes(UnsafeBufferPointer<Int32>)
  /// One row of values per row: numeric targets, one-hot or soft labels.
  case values(MatrixView)

  /// The number of rows.
  public var rows: Int {
    switch self {
    case .classes(let indices): indices.count
    case .values(let matrix): matrix.rows
    }
  }

  /// The targets of some of the rows.
  public func rows(_ range: Range<Int>) -> TargetView {
    switch self {
    case .classes(let indices): .classes(UnsafeBufferPointer(rebasing: indices[range]))
    case .values(let matrix): .values(matrix.rows(range))
    }
  }
}

/// This replica's rows of a global batch.
///
/// The rows are those of the slices that the replica owns, in order; a replica may have none.
public struct Batch {
  /// The number of rows over all replicas: the B of the formulas.
  public let globalRows: Int
  /// This replica's rows, one sample per row.
  public let inputs: MatrixView
  /// The targets of the same rows.
  public let targets: TargetView
  /// The weight of each of these rows in the loss and its gradient; nil if all weigh 1.
  ///
  /// The loss divides by ``globalRows`` whatever the weights are, so their mean over the training rows
  /// should be 1. The accuracy is not weighted.
  public let weights: UnsafeBufferPointer<Float>?

  /// Makes a batch; inputs, targets and weights must have the same number of rows.
  public init(
    globalRows: Int, inputs: MatrixView, targets: TargetView,
    weights: UnsafeBufferPointer<Float>? = nil
  ) {
    precondition(inputs.rows == targets.rows, "inputs and targets differ in rows")
    precondition(
      weights.map { $0.count == inputs.rows } ?? true, "inputs and weights differ in rows")
    self.globalRows = globalRows
    self.inputs = inputs
    self.targets = targets
    self.weights = weights
  }

  /// A batch of which this process has all rows.
  public init(
    inputs: MatrixView, targets: TargetView, weights: UnsafeBufferPointer<Float>? = nil
  ) {
    self.init(globalRows: inputs.rows, inputs: inputs, targets: targets, weights: weights)
  }
}

/// A batch, with or without what a network has computed of it ahead of its forward pass.
///
/// ``NeuralNetwork/prepare(_:)`` makes one that has been prepared. The results lie in the network's
/// memory, one batch's at a time: a batch that is used later than the next preparation, or twice, is
/// computed anew.
public struct PreparedBatch {
  /// The batch.
  public let batch: Batch
  /// The number of the network's preparation, nil if there was none.
  let preparation: Int?

  /// A batch of which nothing has been computed.
  public init(_ batch: Batch) { self.init(batch, preparation: nil) }

  init(_ batch: Batch, preparation: Int?) {
    self.batch = batch
    self.preparation = preparation
  }
}
