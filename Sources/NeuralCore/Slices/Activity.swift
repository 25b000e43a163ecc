// SPDX-License-Identifier: Apache-2.0

/// What the replicas are doing together, for reports about one that does not come.
public enum Activity: Int, Sendable {
  /// Comparing builds, options and data, and loading.
  case startUp
  /// A training step.
  case training
  /// Comparing digests of the weights.
  case digest
  /// Evaluating held-out rows.
  case evaluation
  /// Collecting and writing a checkpoint.
  case checkpoint
}

extension ProcessGroup {
  /// Takes note of what begins, and in which step; this replica.
  public func note(_ activity: Activity, step: Int) {}
}
