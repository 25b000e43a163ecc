// SPDX-License-Identifier: Apache-2.0
package import NeuralCore

/// The partition of the parameters into buckets, and of each bucket into one shard per rank.
///
/// Both consist of consecutive blocks of the table. Buckets come in descending order, since the
/// backward pass finishes the last layer first.
package struct ShardTable {
  /// The elements of each bucket, last ones first.
  package let buckets: [Range<Int>]
  /// The elements of each bucket that each rank owns, in rank order.
  package let shards: [[Range<Int>]]
  /// The blocks of each bucket that each rank owns.
  package let shardBlocks: [[Range<Int>]]
  /// The elements that this rank owns, in bucket order.
  package let ownRanges: [Range<Int>]
  /// The blocks of all parameters.
  package let blocks: ParameterBlocks

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
    ownRanges = shards.map { $0[rank] }
  }

  /// The number of blocks in a full bucket: at least one per rank, and at most all.
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

/// Which buckets of a step have gradients that are all final.
package struct BucketReadiness {
  private let buckets: [Range<Int>]
  private var isReady: [Bool]
  /// The first bucket that is not ready.
  private var first = 0

  /// - Parameter buckets: the elements of each, in descending order.
  package init(_ buckets: [Range<Int>]) {
    self.buckets = buckets
    isReady = Array(repeating: false, count: buckets.count)
  }

  /// Begins a step, in which nothing is final yet.
  package mutating func reset() {
    for bucket in buckets.indices { isReady[bucket] = false }
    first = 0
  }

  /// Marks the gradients of a part as final, whatever is around it.
  ///
  /// - Parameter start: is called with each bucket that has become ready.
  package mutating func markFinal(
    _ part: Range<Int>, _ start: (_ bucket: Int) throws -> Void
  ) rethrows {
    for bucket in first..<buckets.count where !isReady[bucket] {
      let elements = buckets[bucket]
      guard part.lowerBound <= elements.lowerBound, elements.upperBound <= part.upperBound else {
        continue
      }
      isReady[bucket] = true
      try start(bucket)
    }
    while first < buckets.count, isReady[first] { first += 1 }
  }
}
