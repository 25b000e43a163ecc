// SPDX-License-Identifier: Apache-2.0
internal import Datasets
internal import NeuralCore
internal import Tracing

/// Loads this rank's rows of each step's batch, in the order of the epoch, one batch ahead.
///
/// Steps count from 0 here. Two buffers are used in turn, so that a batch stays as it is while the
/// next one is loaded.
final class BatchLoader {
  private let batches: BatchSchedule
  private let order: EpochOrder
  private let partition: SlicePartition
  private let buffers: [BatchBuffer]
  private let spans: SpanRecorder?
  /// The batch that was loaded ahead, and its step.
  private var prefetched: (step: Int, batch: PreparedBatch)?

  /// - Parameters:
  ///   - weights: the weights of rows in the loss; nil if all weigh 1.
  ///   - partition: the slices of a batch, and those of them that this rank owns.
  init(
    _ dataset: Dataset, _ batches: BatchSchedule, order: EpochOrder, weights: RowWeights?,
    partition: SlicePartition, spans: SpanRecorder?
  ) {
    self.batches = batches
    self.order = order
    self.partition = partition
    self.spans = spans
    let capacity = partition.rowCapacity(batchRows: min(batches.batchRows, batches.rows))
    buffers = (0..<2).map { _ in BatchBuffer(dataset, capacity: capacity, weights: weights) }
  }

  /// This rank's rows of a step's batch: those loaded ahead, if they are.
  ///
  /// They stay until the step after the next is loaded.
  func batch(ofStep step: Int) -> PreparedBatch {
    if let prefetched, prefetched.step == step { return prefetched.batch }
    return PreparedBatch(gather(step))
  }

  /// Loads the batch of a step, and has the network compute what needs no weights; all ranks.
  func prefetch(step: Int, for network: NeuralNetwork) throws {
    prefetched = (step, try network.prepare(gather(step)))
  }

  private func gather(_ step: Int) -> Batch {
    spans.record(.batch) {
      let rows = order.rows(ofEpoch: step / batches.stepsPerEpoch)
      let range = batches.range(ofStep: step % batches.stepsPerEpoch)
      let owned = partition.ownedRows(batchRows: range.count)
      let start = range.lowerBound + owned.lowerBound
      let buffer = buffers[step % 2]
      buffer.gather(UnsafeBufferPointer(rebasing: rows[start..<start + owned.count]))
      return buffer.batch(globalRows: range.count)
    }
  }

  /// Whether some of `ranks` ranks have no rows even of a full batch.
  func hasIdleRank(ranks: Int) -> Bool {
    (0..<ranks).contains { rank in
      SlicePartition(count: partition.count, rank: rank, of: ranks)
        .ownedRows(batchRows: min(batches.batchRows, batches.rows)).isEmpty
    }
  }
}
