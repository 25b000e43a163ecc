// SPDX-License-Identifier: Apache-2.0
internal import Tracing

/// What the network asks of the group of replicas that train it together.
///
/// This is the one seam between the network and the processes around it: the network computes on the
/// slices that it is given, and whatever concerns the whole batch goes through here.
/// ``SingleReplica`` owns every slice and communicates with nobody; other implementations reach over
/// processes.
///
/// All replicas call all functions, in the same order: the functions may wait for the others.
public protocol Replicas: AnyObject {
  /// The slices of each batch, and which of them this replica owns.
  var slices: SlicePartition { get }

  /// Merges the slices' means and M2 into those of the whole batch, in `statistics.whole`.
  func mergeStatistics(_ statistics: SliceStatistics) throws

  /// Adds up the slices' sums over the whole batch, in `sums.whole`.
  func sumOverBatch(_ sums: SliceSums) throws

  /// Called when this replica's gradients of a span of parameters are final for this batch.
  ///
  /// Spans come in descending order and are adjacent; the group may begin to exchange them.
  func gradientsReady(_ span: Range<Int>, of slices: BatchSlices) throws

  /// Called when a part of the next span's gradients is final ahead of the rest.
  ///
  /// The group may begin to exchange what lies within the part.
  func gradientsReady(part: Range<Int>, of slices: BatchSlices) throws

  /// Updates every parameter exactly once on every replica, if all gradients and sums are finite.
  func updateParameters(_ update: ParameterUpdate) throws -> UpdateOutcome
}

extension Replicas {
  /// Does nothing: the exchange begins with the whole span.
  public func gradientsReady(part: Range<Int>, of slices: BatchSlices) throws {}
}

/// The update of the parameters at the end of a step.
public struct ParameterUpdate {
  /// The rule that turns gradients into new parameters.
  public let optimizer: any Optimizer
  /// The number of this update, 1 for the first: the t of Adam's bias correction.
  public let number: Int
  /// The learning rate of this update.
  public let learningRate: Double
  /// The maximum global gradient norm; longer gradients are scaled down to it.
  public let clipNorm: Double?
  /// The maximum norm of each row of a weight matrix, nil for no limit.
  ///
  /// Longer rows are scaled down to it after the update.
  public let maxNorm: Double?
  /// Sums over the batch that nobody needs earlier: the replicas add them up together with the norm,
  /// in `sums.whole`.
  public let sums: SliceSums

  /// An update with its rule, its settings, and the sums that travel with it.
  public init(
    optimizer: any Optimizer, number: Int, learningRate: Double, clipNorm: Double? = nil,
    maxNorm: Double? = nil, sums: SliceSums
  ) {
    self.sums = sums
    self.optimizer = optimizer
    self.number = number
    self.learningRate = learningRate
    self.clipNorm = clipNorm
    self.maxNorm = maxNorm
  }

  /// The factor by which gradients of a given global norm are scaled.
  public func gradientScale(norm: Double) -> Float {
    guard let clipNorm, norm > clipNorm else { return 1 }
    return Float(clipNorm / norm)
  }
}

/// The outcome of an update; the same on every replica.
public struct UpdateOutcome: Sendable {
  /// The Euclidean norm of the whole batch's gradient over all parameters, before clipping.
  public let gradientNorm: Double
  /// Whether the parameters are updated: only if the norm and all sums are finite.
  public let applied: Bool

  /// The outcome of an update whose sums are merged.
  public init(gradientNorm: Double, of update: ParameterUpdate) {
    self.gradientNorm = gradientNorm
    applied = gradientNorm.isFinite && update.sums.isFinite
  }
}

/// The only replica: it owns every slice and communicates with nobody.
public final class SingleReplica: Replicas {
  public let slices: SlicePartition
  /// Seconds spent on updating parameters.
  public private(set) var updateSeconds = 0.0
  private let store: ParameterStore
  private let state: OptimizerState
  private let maxNorm: MaxNorm
  private let blockSums: AlignedBuffer<Double>

  /// A replica that trains the parameters in `store` alone, on batches of `slices` slices.
  public init(_ store: ParameterStore, slices: Int = 1, optimizer: any Optimizer) {
    self.slices = SlicePartition(count: slices)
    self.store = store
    blockSums = AlignedBuffer(count: store.table.blocks.count)
    store.allocateGradients(nodes: 1)
    state = OptimizerState(
      store.table, ranges: [0..<store.table.parameterCount], optimizer: optimizer)
    maxNorm = MaxNorm(store.table)
  }

  /// Copies of the optimizer's moments, laid out as the parameters.
  public var optimizerState: [AlignedBuffer<Float>] {
    (0..<state.momentCount).map { AlignedBuffer(state.moment($0)) }
  }

  /// Copies the optimizer's moments from buffers laid out as the parameters.
  public func loadOptimizerState(_ moments: [AlignedBuffer<Float>]) {
    state.load(moments)
  }

  public func mergeStatistics(_ statistics: SliceStatistics) throws {
    statistics.mergeOwnIntoWhole()
  }

  public func sumOverBatch(_ sums: SliceSums) throws {
    sums.mergeOwnIntoWhole()
  }

  public func gradientsReady(_ span: Range<Int>, of slices: BatchSlices) throws {}

  public func updateParameters(_ update: ParameterUpdate) throws -> UpdateOutcome {
    let gradients = store.gradients[0]
    for block in 0..<store.table.blocks.count {
      let range = store.table.blocks.range(block)
      blockSums.base[block] = Reductions.sumOfSquares(
        gradients.base + range.lowerBound, range.count)
    }
    update.sums.mergeOwnIntoWhole()
    let outcome = UpdateOutcome(
      gradientNorm: Reductions.sum(blockSums.base, blockSums.count).squareRoot(), of: update)
    if outcome.applied {
      let start = MonotonicClock.seconds
      defer { updateSeconds += MonotonicClock.seconds - start }
      let norm = outcome.gradientNorm
      if let trustRatios = state.trustRatios {
        state.computeSteps(
          update, gradientNorm: norm, of: store, gradients: gradients.base, trustRatios)
        trustRatios.finish()
      }
      state.apply(update, gradientNorm: norm, to: store, gradients: gradients.base)
      if let limit = update.maxNorm { maxNorm.apply(limit, to: store) }
    }
    return outcome
  }
}
