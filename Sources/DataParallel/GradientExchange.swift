// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// Moves gradients to the owners of their shards, bucket by bucket, while backward still runs.
///
/// Direct exchange: every rank sends each owner its nodes of the owner's shard; the owner finishes
/// the tree. The traffic of sharded mode, shards of gradients there and of parameters back, is that
/// of one all-reduce.
final class GradientExchange {
  private let communicator: Communicator
  private let store: ParameterStore
  private let shards: ShardTable
  private let plans: FinishingPlans
  private let requests: RequestGroup
  private let treeSum = TreeSum()
  /// Of each bucket, the received pieces of this rank's shard: one for each item of other ranks.
  private var received: [AlignedBuffer<Float>]
  private var items: [UnsafePointer<Float>] = []
  private let blockSums: AlignedBuffer<Double>
  private var plan: FinishingPlan
  private var nextBucket = 0
  private let shardLayouts: [BlockLayout]
  private let blockLayouts: [BlockLayout]

  init(
    _ communicator: Communicator, _ store: ParameterStore, _ shards: ShardTable,
    _ plans: FinishingPlans, mostItems: [Int]
  ) throws {
    self.communicator = communicator
    self.store = store
    self.shards = shards
    self.plans = plans
    plan = plans.plan(batchRows: 0)
    let others = mostItems.reduce(0, +) - mostItems[communicator.rank]
    received = shards.ownRanges.map { AlignedBuffer(count: others * $0.count) }
    let sends = (communicator.size - 1) * mostItems[communicator.rank]
    requests = RequestGroup(capacity: (sends + others) * shards.buckets.count)
    blockSums = AlignedBuffer(count: shards.blocks.count)
    shardLayouts = try shards.shards.map { try BlockLayout(counts: $0.map(\.count)) }
    blockLayouts = try shards.shardBlocks.map { try BlockLayout(counts: $0.map(\.count)) }
  }

  /// Takes note that the gradients of `span` are final, and sends every bucket that is complete.
  func ready(_ span: Range<Int>, batchRows: Int) throws {
    if nextBucket == 0 { plan = plans.plan(batchRows: batchRows) }
    while nextBucket < shards.buckets.count,
      shards.buckets[nextBucket].lowerBound >= span.lowerBound
    {
      try start(nextBucket)
      nextBucket += 1
    }
    try requests.progress()
  }

  private func start(_ bucket: Int) throws {
    let own = shards.shards[bucket][communicator.rank]
    var place = 0
    for peer in 0..<communicator.size where peer != communicator.rank {
      for _ in plan.itemsOfRank[peer] where !own.isEmpty {
        try requests.startReceive(
          into: UnsafeMutableBufferPointer(
            start: received[bucket].base + place * own.count, count: own.count),
          from: peer, tag: tag(bucket), on: communicator, owner: received[bucket])
        place += 1
      }
    }
    for distance in 1..<communicator.size {
      let peer = (communicator.rank + distance) % communicator.size
      let shard = shards.shards[bucket][peer]
      for node in plan.itemsOfRank[communicator.rank].indices where !shard.isEmpty {
        let gradients = store.gradients[node - plan.itemsOfRank[communicator.rank].lowerBound]
        try requests.startSend(
          UnsafeBufferPointer(rebasing: gradients.elements[shard]), to: peer, tag: tag(bucket),
          on: communicator, owner: gradients)
      }
    }
  }

  /// Messages of one tag arrive in the order in which they were sent, so tags may wrap around.
  private func tag(_ bucket: Int) -> Int { bucket % 32768 }

  /// Waits until all buckets have come; this rank.
  func wait() throws {
    try requests.waitAll()
    nextBucket = 0
  }

  /// Adds the shards up into the first gradient buffer, and the squares of each block.
  func finishTrees() {
    for bucket in shards.buckets.indices {
      let own = shards.shards[bucket][communicator.rank]
      guard !own.isEmpty else { continue }
      collectItems(bucket, own)
      treeSum.add(
        items, as: plan.plan, count: own.count, into: store.gradients[0].base + own.lowerBound)
    }
  }

  /// Points at every item of a bucket's shard, in the order of the plan.
  private func collectItems(_ bucket: Int, _ own: Range<Int>) {
    items.removeAll(keepingCapacity: true)
    var place = 0
    for (rank, itemsOfRank) in plan.itemsOfRank.enumerated() {
      for item in 0..<itemsOfRank.count {
        if rank == communicator.rank {
          items.append(store.gradients[item].base + own.lowerBound)
        } else {
          items.append(received[bucket].base + place * own.count)
          place += 1
        }
      }
    }
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
