// SPDX-License-Identifier: Apache-2.0

/// How far training is, as reported while it runs.
public struct TrainingProgress: Equatable, Sendable {
  /// The current epoch, 1 for the first.
  public var epoch: Int
  /// The number of epochs of the run, where it is known.
  public var epochs: Int?
  /// The number of steps that are done.
  public var step: Int
  /// The number of steps of the run.
  public var steps: Int
  /// The training loss of the current epoch so far: the mean over the rows of its steps.
  public var loss: Double
  /// The last accuracy on held-out data, 0 to 1, where there is one.
  public var accuracy: Double?
  /// Training samples per second.
  public var samplesPerSecond: Double?
  /// The estimated remaining time, in seconds.
  public var secondsLeft: Double?

  /// Describes a moment of training.
  public init(
    epoch: Int, epochs: Int?, step: Int, steps: Int, loss: Double, accuracy: Double? = nil,
    samplesPerSecond: Double? = nil, secondsLeft: Double? = nil
  ) {
    self.epoch = epoch
    self.epochs = epochs
    self.step = step
    self.steps = steps
    self.loss = loss
    self.accuracy = accuracy
    self.samplesPerSecond = samplesPerSecond
    self.secondsLeft = secondsLeft
  }
}
