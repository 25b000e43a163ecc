// SPDX-License-Identifier: Apache-2.0
internal import Tracing

/// The only replica: it owns every slice and communicates with nobody.
public final class SingleReplica: Replicas {
  public let slices: SlicePartition
  /// Seconds spent on updating parameters.
  public private(set) var updateSeconds = 0.0
  private let store: ParameterStore
  private let state: OptimizerState
  private let blockSums: AlignedBuffer<Double>

  /// A replica that trains the parameters in `store` alone, on batches cut into `slices`.
  public init(_ store: ParameterStore, slices: Int = 1, optimizer: any Optimizer) {
    self.slices = SlicePartition(count: slices)
    self.store = store
    blockSums = AlignedBuffer(count: store.table.blocks.count)
    store.allocateGradients(nodes: 1)
    state = OptimizerState(
      store.table, ranges: [0..<store.table.parameterCount], moments: optimizer.momentNames.count)
  }

  /// Copies of the optimizer's moments, laid out as the parameters.
  public var optimizerState: [AlignedBuffer<Float>] {
    (0..<state.momentCount).map { AlignedBuffer(state.moment($0)) }
  }

  /// Takes the optimizer's moments from buffers laid out as the parameters.
  public func loadOptimizerState(_ moments: [AlignedBuffer<Float>]) {
    state.load(moments)
  }

  public func mergeStatistics(_ moments: SliceStatistics) throws {
    keepRoot(of: moments)
  }

  public func sumOverBatch(_ sums: SliceSums) throws {
    keepRoot(of: sums)
  }

  private func keepRoot(of partials: SlicePartials) {
    guard partials.mergeOwn() > 0 else { return }
    partials.whole.base.update(from: partials.row(partials.node(0)), count: partials.width)
  }

  public func gradientsReady(_ span: Range<Int>, of slices: BatchSlices) throws {}

  public func updateParameters(_ update: ParameterUpdate) throws -> UpdateOutcome {
    let gradients = store.gradients[0]
    for block in 0..<store.table.blocks.count {
      let range = store.table.blocks.range(block)
      blockSums.base[block] = Reductions.sumOfSquares(
        gradients.base + range.lowerBound, range.count)
    }
    keepRoot(of: update.sums)
    let outcome = UpdateOutcome(
      gradientNorm: Reductions.sum(blockSums.base, blockSums.count).squareRoot(), of: update)
    if outcome.applied {
      let start = MonotonicClock.seconds
      defer { updateSeconds += MonotonicClock.seconds - start }
      state.apply(update, gradientNorm: outcome.gradientNorm, to: store, gradients: gradients.base)
    }
    return outcome
  }
}
