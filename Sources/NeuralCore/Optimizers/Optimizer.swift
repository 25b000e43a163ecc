// SPDX-License-Identifier: Apache-2.0

/// A rule that turns gradients into new parameters.
///
/// An optimizer is a value without state of its own: its moments live beside the parameters that
/// they belong to, on the replica that updates them. A rule of your own needs two members:
///
/// ```swift
/// struct SignDescent: Optimizer {
///   let momentNames: [String] = []
///   func updateGradients(_ shard: OptimizerShard, _ update: ParameterUpdate) {
///     for i in 0..<shard.count {
///       shard.parameters[i] -= Float(update.learningRate) * (shard.gradients[i] > 0 ? 1 : -1)
///     }
///   }
/// }
/// ```
public protocol Optimizer: Sendable {
  /// The names of the numbers kept for each parameter, as in checkpoints: `first_moment`, …
  var momentNames: [String] { get }

  /// Applies the gradients of a run of parameters to them.
  ///
  /// Every element must be treated alike, whatever the run: runs are cut by who owns them.
  func updateGradients(_ shard: OptimizerShard, _ update: ParameterUpdate)
}
