// SPDX-License-Identifier: Apache-2.0

/// How a layer normalizes its inputs over the batch.
///
/// Source: Ioffe, Szegedy, "Batch Normalization", ICML 2015. Mean and population variance are those
/// of the whole global batch, unless the scope is one replica.
public struct BatchNormalization: Hashable, Sendable {
  /// Which gradient flows back through the normalization.
  public enum Backward: Hashable, Sendable {
    /// The true gradient, through mean and variance too.
    case exact
    /// Mean and variance are taken as constants.
    case frozenStatistics
  }

  /// Over which rows mean and variance are taken in training.
  public enum Scope: Hashable, Sendable {
    /// Over all replicas' rows of the batch.
    case batch
    /// Over each replica's own rows: the result depends on the number of replicas then. The
    /// running statistics still take in those of the whole batch, alike on all replicas.
    case replica
  }

  /// Over which rows mean and variance are taken in training.
  public let scope: Scope
  /// Which gradient flows back.
  public let backward: Backward
  /// The share of the running statistics that a step keeps, in (0, 1).
  public let momentum: Double
  /// What is added to the variance under the root.
  public let epsilon: Double

  /// Sets how to normalize.
  public init(
    scope: Scope = .batch, backward: Backward = .exact, momentum: Double = 0.9,
    epsilon: Double = 1e-5
  ) {
    self.scope = scope
    self.backward = backward
    self.momentum = momentum
    self.epsilon = epsilon
  }

  /// How many rows the statistics are taken over: at least 1, also on a replica without rows.
  func rows(of slices: BatchSlices) -> Int {
    scope == .batch ? slices.batchRows : Swift.max(slices.rows, 1)
  }
}
