// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// Moves gradients to the owners of their shards, bucket by bucket, while backward still runs.
///
/// The traffic of sharded mode, shards of gradients there and of parameters back, is that of one
/// all-reduce.
final class GradientExchange {
  private let communicator: Communicator
  private let shards: ShardTable
  private let reduceScatter: any ReduceScatter
  private var readiness: BucketReadiness
  private var isUnderWay = false
  private let shardLayouts: [BlockLayout]

  init(
    _ communicator: Communicator, _ shards: ShardTable, _ reduceScatter: any ReduceScatter
  ) throws {
    self.communicator = communicator
    self.shards = shards
    self.reduceScatter = reduceScatter
    readiness = BucketReadiness(shards.buckets)
    shardLayouts = try shards.shards.map { try BlockLayout(counts: $0.map(\.count)) }
  }

  /// Takes note that the gradients of a part are final, and sends every bucket that is complete.
  func ready(_ part: Range<Int>, batchRows: Int) throws {
    if !isUnderWay {
      isUnderWay = true
      readiness.reset()
      reduceScatter.begin(batchRows: batchRows)
    }
    try readiness.take(part, reduceScatter.start)
    try reduceScatter.progress()
  }

  /// Returns once this rank's shards of all buckets are added up in its first gradient buffer.
  ///
  /// - Parameter isFinal: is called for each bucket as soon as this rank's shard of it is.
  func finish(_ isFinal: (_ bucket: Int) -> Void) throws {
    try reduceScatter.finish(isFinal)
    isUnderWay = false
  }

  /// Brings the shards of a buffer that is laid out as the parameters to every rank; all ranks.
  func gatherShards(of buffer: AlignedBuffer<Float>) throws {
    for (bucket, elements) in shards.buckets.enumerated() {
      try communicator.allGather(
        inPlace: UnsafeMutableBufferPointer(rebasing: buffer.mutableElements[elements]),
        layout: shardLayouts[bucket])
    }
  }
}
