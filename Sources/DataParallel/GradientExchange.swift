// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// Moves gradients to the owners of their shards, bucket by bucket, while backward still runs.
///
/// The traffic of sharded mode, shards of gradients there and of parameters back, is that of one
/// all-reduce.
final class GradientExchange {
  private let communicator: Communicator
  private let store: ParameterStore
  private let shards: ShardTable
  private let reduceScatter: any ReduceScatter
  private let blockSums: AlignedBuffer<Double>
  private var nextBucket = 0
  private let shardLayouts: [BlockLayout]
  private let blockLayouts: [BlockLayout]

  init(
    _ communicator: Communicator, _ store: ParameterStore, _ shards: ShardTable,
    _ reduceScatter: any ReduceScatter
  ) throws {
    self.communicator = communicator
    self.store = store
    self.shards = shards
    self.reduceScatter = reduceScatter
    blockSums = AlignedBuffer(count: shards.blocks.count)
    shardLayouts = try shards.shards.map { try BlockLayout(counts: $0.map(\.count)) }
    blockLayouts = try shards.shardBlocks.map { try BlockLayout(counts: $0.map(\.count)) }
  }

  /// Takes note that the gradients of `span` are final, and sends every bucket that is complete.
  func ready(_ span: Range<Int>, batchRows: Int) throws {
    if nextBucket == 0 { reduceScatter.begin(batchRows: batchRows) }
    while nextBucket < shards.buckets.count,
      shards.buckets[nextBucket].lowerBound >= span.lowerBound
    {
      try reduceScatter.start(nextBucket)
      nextBucket += 1
    }
    try reduceScatter.progress()
  }

  /// Returns once this rank's shards of all buckets are added up in the first gradient buffer.
  func finish() throws {
    try reduceScatter.finish()
    nextBucket = 0
  }

  /// Brings the shards of a buffer that is laid out as the parameters to every rank; all ranks.
  func gatherShards(of buffer: AlignedBuffer<Float>) throws {
    for (bucket, elements) in shards.buckets.enumerated() {
      try communicator.allGather(
        inPlace: UnsafeMutableBufferPointer(rebasing: buffer.mutableElements[elements]),
        layout: shardLayouts[bucket])
    }
  }

  /// The norm of the whole gradient, with the same bits on any number of ranks; all ranks.
  func norm() throws -> Double {
    let gradients = store.gradients[0].base
    for (bucket, shardBlocks) in shards.shardBlocks.enumerated() {
      for block in shardBlocks[communicator.rank] {
        let range = shards.blocks.range(block)
        blockSums[block] = Reductions.sumOfSquares(gradients + range.lowerBound, range.count)
      }
      let start = shardBlocks[0].lowerBound
      let end = shardBlocks[communicator.size - 1].upperBound
      try communicator.allGather(
        inPlace: UnsafeMutableBufferPointer(rebasing: blockSums.mutableElements[start..<end]),
        layout: blockLayouts[bucket])
    }
    var sum = 0.0
    for block in 0..<blockSums.count { sum += blockSums.base[block] }
    return sum.squareRoot()
  }
}
