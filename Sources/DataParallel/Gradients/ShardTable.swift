// SPDX-License-Identifier: Apache-2.0
package import NeuralCore

/// How the parameters are cut into buckets, and each bucket into one shard a rank.
///
/// Both are runs of the table's blocks. Buckets come in descending order, since the backward pass
/// finishes the last layer first.
package struct ShardTable {
  /// The elements of each bucket, last ones first.
  package let buckets: [Range<Int>]
  /// The elements of each bucket that each rank owns, in rank order.
  package let shards: [[Range<Int>]]
  /// The blocks of each bucket that each rank owns.
  package let shardBlocks: [[Range<Int>]]
  /// The elements that this rank owns, in bucket order.
  package let ownRanges: [Range<Int>]
  /// The blocks that the parameters are cut into.
  package let blocks: ParameterBlocks
  /// This rank.
  package let rank: Int

  package init(_ blocks: ParameterBlocks, ranks: Int, rank: Int, bucketBytes: Int) {
    let perBucket = Self.blocksPerBucket(blocks, ranks: ranks, bucketBytes: bucketBytes)
    var blockRanges: [Range<Int>] = []
    var end = blocks.count
    while end > 0 {
      let start = Swift.max(end - perBucket, 0)
      blockRanges.append(start..<end)
      end = start
    }
    let shardBlocks = blockRanges.map { bucket in
      (0..<ranks).map { rank in
        bucket.lowerBound + rank * bucket.count / ranks..<bucket.lowerBound + (rank + 1)
          * bucket.count / ranks
      }
    }
    buckets = blockRanges.map(blocks.range)
    shards = shardBlocks.map { $0.map(blocks.range) }
    self.shardBlocks = shardBlocks
    self.blocks = blocks
    self.rank = rank
    ownRanges = shards.map { $0[rank] }
  }

  /// How many blocks a full bucket has: one a rank at least, and no more than there are.
  package static func blocksPerBucket(_ blocks: ParameterBlocks, ranks: Int, bucketBytes: Int)
    -> Int
  {
    Swift.max(Swift.min(Swift.max(ranks, bucketBytes / (4 * blocks.size)), blocks.count), 1)
  }

  /// The elements that `rank` owns, in bucket order.
  package func ranges(ofRank rank: Int) -> [Range<Int>] {
    shards.map { $0[rank] }
  }
}
