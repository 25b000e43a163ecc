// SPDX-License-Identifier: Apache-2.0

/// What the network asks of the group of replicas that train it together.
///
/// This is the one seam between the network and the world: the network computes on the slices that
/// it is given, and whatever concerns the whole batch goes through here. ``SingleReplica`` owns every
/// slice and communicates with nobody; other implementations reach over processes.
///
/// All replicas call all functions, in the same order: the functions may wait for the others.
public protocol Replicas: AnyObject {
  /// Which of the batch's slices are this replica's.
  var slices: SlicePartition { get }

  /// Merges the slices' means and M2 into those of the whole batch, in `moments.whole`.
  func mergeStatistics(_ moments: SliceStatistics) throws

  /// Adds the slices' sums up to those of the whole batch, in `sums.whole`.
  func sumOverBatch(_ sums: SliceSums) throws

  /// Takes note that this replica's gradients of a span of parameters are final for this batch.
  ///
  /// Spans come in descending order and touch each other; the group may begin to exchange them.
  func gradientsReady(_ span: Range<Int>, of slices: BatchSlices) throws

  /// Takes note that some of the next span's gradients are final ahead of the rest.
  ///
  /// The group may begin to exchange what lies within one such part.
  func gradientsReady(part: Range<Int>, of slices: BatchSlices) throws

  /// Updates every parameter exactly once on every replica, if all gradients and sums are finite.
  func updateParameters(_ update: ParameterUpdate) throws -> UpdateOutcome
}

extension Replicas {
  /// Waits for the rest.
  public func gradientsReady(part: Range<Int>, of slices: BatchSlices) throws {}
}

/// What is to be done to the parameters at the end of a step.
public struct ParameterUpdate {
  /// The rule that turns gradients into new parameters.
  public let optimizer: any Optimizer
  /// The number of this update, 1 for the first: the t of Adam's bias correction.
  public let number: Int
  /// The learning rate of this update.
  public let learningRate: Double
  /// The greatest global gradient norm; longer gradients are scaled down to it.
  public let clipNorm: Double?

  /// Sums over the batch that nobody needs before: the replicas add them up together with the norm,
  /// in `sums.whole`.
  public let sums: SliceSums

  /// An update with a rule, its settings, and what is added up with it.
  public init(
    optimizer: any Optimizer, number: Int, learningRate: Double, clipNorm: Double? = nil,
    sums: SliceSums
  ) {
    self.sums = sums
    self.optimizer = optimizer
    self.number = number
    self.learningRate = learningRate
    self.clipNorm = clipNorm
  }

  /// What gradients of the given global norm are multiplied by.
  public func gradientScale(norm: Double) -> Float {
    guard let clipNorm, norm > clipNorm else { return 1 }
    return Float(clipNorm / norm)
  }
}

/// What became of an update; the same on every replica.
public struct UpdateOutcome: Sendable {
  /// The Euclidean norm of the whole batch's gradient over all parameters, before clipping.
  public let gradientNorm: Double
  /// Whether the parameters are updated: only if the norm and all sums are finite.
  public let applied: Bool

  /// The outcome of an update whose sums are added up.
  public init(gradientNorm: Double, of update: ParameterUpdate) {
    self.gradientNorm = gradientNorm
    applied = gradientNorm.isFinite && update.sums.isFinite
  }
}
