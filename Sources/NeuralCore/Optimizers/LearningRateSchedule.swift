// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// The learning rate of each step: a linear warm-up, then a constant, step or cosine schedule.
public struct LearningRateSchedule: Hashable, Sendable {
  /// The learning rate after the warm-up.
  public enum Shape: Hashable, Sendable {
    /// Constant.
    case constant
    /// Multiplied by `factor` every `every` steps, as `torch.optim.lr_scheduler.StepLR`.
    case step(every: Int, factor: Double)
    /// Cosine annealing to zero over the steps after the warm-up, `totalSteps` including it.
    ///
    /// lr = base / 2 * (1 + cos(pi * progress)). Source: Loshchilov, Hutter, "SGDR: Stochastic
    /// Gradient Descent with Warm Restarts", ICLR 2017 (https://arxiv.org/abs/1608.03983), without
    /// restarts.
    case cosine(totalSteps: Int)
  }

  /// The learning rate at the end of the warm-up.
  public let base: Double
  /// The schedule after the warm-up.
  public let shape: Shape
  /// The number of steps over which the learning rate increases linearly to `base`.
  ///
  /// With n of them the first step has `base / n`, the second `2 * base / n`.
  public let warmupSteps: Int
  /// What every rate is multiplied by, those of the warm-up included; 1 at first.
  ///
  /// Whoever watches how well training goes lowers it, as `torch.optim.lr_scheduler.ReduceLROnPlateau`
  /// does.
  public var factor = 1.0

  /// Creates a schedule; steps are counted from the start of training.
  public init(base: Double, shape: Shape = .constant, warmupSteps: Int = 0) {
    self.base = base
    self.shape = shape
    self.warmupSteps = warmupSteps
  }

  /// The learning rate of a step; the first step is 0.
  public func rate(at step: Int) -> Double {
    factor * unreducedRate(at: step)
  }

  private func unreducedRate(at step: Int) -> Double {
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
