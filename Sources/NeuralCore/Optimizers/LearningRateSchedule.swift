// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// The learning rate of each step.
public struct LearningRateSchedule: Hashable, Sendable {
  /// How the rate goes on once the warm-up is over.
  public enum Shape: Hashable, Sendable {
    /// It stays.
    case constant
    /// It is multiplied by `factor` after each `every` steps.
    case step(every: Int, factor: Double)
    /// It falls to zero along half a cosine wave, over all steps that follow the warm-up.
    ///
    /// Source: Loshchilov, Hutter, "SGDR", ICLR 2017, without restarts.
    case cosine(totalSteps: Int)
  }

  /// The rate once the warm-up is over.
  public let base: Double
  /// How the rate goes on.
  public let shape: Shape
  /// Over how many steps the rate rises linearly to `base`.
  ///
  /// With n of them the first step has `base / n`, the second `2 * base / n`.
  public let warmupSteps: Int

  /// Makes a schedule; steps are counted over the whole run.
  public init(base: Double, shape: Shape = .constant, warmupSteps: Int = 0) {
    self.base = base
    self.shape = shape
    self.warmupSteps = warmupSteps
  }

  /// The rate of step `step`, 0 for the run's first.
  public func rate(at step: Int) -> Double {
    if step < warmupSteps {
      return base * Double(step + 1) / Double(warmupSteps)
    }
    let after = step - warmupSteps
    switch shape {
    case .constant:
      return base
    case .step(let every, let factor):
      return base * pow(factor, Double(after / every))
    case .cosine(let totalSteps):
      let length = Swift.max(totalSteps - warmupSteps, 1)
      let progress = Swift.min(Double(after) / Double(length), 1)
      return base * 0.5 * (1 + cos(Double.pi * progress))
    }
  }
}
