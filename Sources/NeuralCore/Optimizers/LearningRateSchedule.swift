// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// The learning rate of each step: a linear warm-up, then the schedule's shape.
public struct LearningRateSchedule: Hashable, Sendable {
  /// The learning rate after the warm-up.
  public enum Shape: Hashable, Sendable {
    /// Constant.
    case constant
    /// Multiplied by `factor` every `every` steps, as `torch.optim.lr_scheduler.StepLR`.
    case step(every: Int, factor: Double)
    /// Decays continuously, by `factor` every `every` steps.
    ///
    /// lr = base * factor^(t / every), t counted from the end of the warm-up. With `every` 1 that of
    /// `torch.optim.lr_scheduler.ExponentialLR`, stepped after each step.
    case exponential(every: Int, factor: Double)
    /// Cosine annealing to zero over the steps after the warm-up, `totalSteps` including it.
    ///
    /// lr = base / 2 * (1 + cos(pi * progress)). Source: Loshchilov, Hutter, "SGDR: Stochastic
    /// Gradient Descent with Warm Restarts", ICLR 2017 (https://arxiv.org/abs/1608.03983), without
    /// restarts.
    case cosine(totalSteps: Int)
    /// Rises from `base / 25` to `base` over the first 30 % of the steps, then falls to
    /// `base / 250000`, both along half a cosine wave.
    ///
    /// As `torch.optim.lr_scheduler.OneCycleLR` with its default arguments, but momentum stays as it
    /// is. It warms up by itself, so `warmupSteps` must be 0.
    ///
    /// Source: Smith, Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
    /// Learning Rates", 2017 (https://arxiv.org/abs/1708.07120), in PyTorch's form.
    case oneCycle(totalSteps: Int)
  }

  /// The learning rate at the end of the warm-up.
  public let base: Double
  /// The schedule after the warm-up.
  public let shape: Shape
  /// The number of steps over which the learning rate increases linearly to `base`.
  ///
  /// With n of them the first step has `base / n`, the second `2 * base / n`.
  public let warmupSteps: Int
  /// Multiplies the learning rate of every step; 1 to begin with.
  ///
  /// What reduces the rate during a run, such as on a plateau of the held-out loss, changes it.
  public var factor = 1.0

  /// Creates a schedule; steps are counted from the start of training.
  public init(base: Double, shape: Shape = .constant, warmupSteps: Int = 0) {
    self.base = base
    self.shape = shape
    self.warmupSteps = warmupSteps
  }

  /// The learning rate of a step; the first step is 0.
  public func rate(at step: Int) -> Double {
    factor * scheduledRate(at: step)
  }

  private func scheduledRate(at step: Int) -> Double {
    if step < warmupSteps {
      return base * Double(step + 1) / Double(warmupSteps)
    }
    let after = step - warmupSteps
    switch shape {
    case .constant:
      return base
    case .step(let every, let factor):
      return base * pow(factor, Double(after / every))
    case .exponential(let every, let factor):
      return base * pow(factor, Double(after) / Double(every))
    case .oneCycle(let totalSteps):
      return base * Self.oneCycle(Double(after), of: Double(totalSteps))
    case .cosine(let totalSteps):
      let length = Swift.max(totalSteps - warmupSteps, 1)
      let progress = Swift.min(Double(after) / Double(length), 1)
      return base * 0.5 * (1 + cos(Double.pi * progress))
    }
  }

  /// The learning rate at a step of a cycle, relative to the highest one.
  private static func oneCycle(_ step: Double, of totalSteps: Double) -> Double {
    let (initial, final) = (1 / 25.0, 1 / 25.0 / 1e4)
    let peak = 0.3 * totalSteps - 1
    let progress =
      step <= peak ? step / peak : Swift.min((step - peak) / (totalSteps - 1 - peak), 1)
    let (start, end) = step <= peak ? (initial, 1) : (1, final)
    return end + (start - end) / 2 * (1 + cos(Double.pi * progress))
  }
}
