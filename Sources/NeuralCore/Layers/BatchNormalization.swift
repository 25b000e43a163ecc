// SPDX-License-Identifier: Apache-2.0

/// How a layer normalises its inputs over the batch.
///
/// Source: Ioffe, Szegedy, "Batch Normalization", ICML 2015. Mean and population variance are those
/// of the whole global batch.
public struct BatchNormalization: Hashable, Sendable {
  /// Which gradient flows back through the normalisation.
  public enum Backward: Hashable, Sendable {
    /// The true gradient, through mean and variance too.
    case exact
    /// Mean and variance are taken as constants.
    case frozenStatistics
  }

  /// Which gradient flows back.
  public let backward: Backward
  /// The share of the running statistics that a step keeps, in (0, 1).
  public let momentum: Double
  /// What is added to the variance under the root.
  public let epsilon: Double

  /// Sets how to normalise.
  public init(backward: Backward = .exact, momentum: Double = 0.9, epsilon: Double = 1e-5) {
    self.backward = backward
    self.momentum = momentum
    self.epsilon = epsilon
  }
}
