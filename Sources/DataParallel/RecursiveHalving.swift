// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore
internal import Tracing

/// Recursive halving in tree order: log2 of the number of ranks messages per bucket, each half as
/// long as the one before.
final class HalvingReduceScatter: ReduceScatter {
  private let communicator: Communicator
  private let store: ParameterStore
  private let shards: ShardTable
  private let stages: [HalvingStage]
  private let plans: [MergingPlans]
  private let ownPlans: MergingPlans
  private let reductions: [BucketReduction]
  private let inFlight: InFlightBuckets
  /// The buckets that are final on this rank.
  private var started: [Int] = []

  init(
    _ communicator: Communicator, _ store: ParameterStore, _ shards: ShardTable,
    _ partition: SlicePartition, spans: SpanRecorder?
  ) {
    self.communicator = communicator
    self.store = store
    self.shards = shards
    let ranks = communicator.size
    let owners = (0..<ranks).map {
      SlicePartition(count: partition.count, rank: $0, of: ranks).owned
    }
    let stages = HalvingStage.all(rank: communicator.rank, ranks: ranks)
    self.stages = stages
    let plans = stages.map { stage in
      MergingPlans(
        partition,
        owners: stage.blocks.map {
          owners[$0.lowerBound].lowerBound..<owners[$0.upperBound - 1].upperBound
        })
    }
    self.plans = plans
    ownPlans = MergingPlans(partition, owners: [owners[communicator.rank]])
    reductions = shards.shards.map {
      BucketReduction(stages, plans.map(\.largest), shards: $0, store)
    }
    let messages = stages.reduce(0) { $0 + $1.sends.count + $1.receives.count }
    let buckets = shards.buckets.count
    inFlight = InFlightBuckets(buckets: buckets, capacity: messages * buckets, spans)
  }

  func begin(batchRows: Int) {
    started.removeAll(keepingCapacity: true)
    let own = ownPlans.plan(batchRows: batchRows).plan.items.count
    for reduction in reductions { reduction.begin(plans, batchRows: batchRows, own: own) }
  }

  func start(bucket: Int) throws {
    started.append(bucket)
    try advance(bucket)
  }

  func progress() throws {
    try inFlight.progress()
    for bucket in started { try advance(bucket) }
  }

  func finish(_ isFinal: (_ bucket: Int) -> Void) throws {
    while reductions.contains(where: { !$0.isDone }) {
      try inFlight.waitSome()
      for bucket in started { try advance(bucket) }
    }
    for (bucket, own) in shards.ownRanges.enumerated() {
      reductions[bucket].copyShard(
        communicator.rank, to: store.gradients[0].base + own.lowerBound, count: own.count)
      isFinal(bucket)
    }
  }

  /// Goes through a bucket's stages as far as messages have arrived.
  private func advance(_ bucket: Int) throws {
    let reduction = reductions[bucket]
    while !inFlight.contains(bucket), !reduction.isDone {
      if reduction.isWaiting { reduction.merge() } else { try exchange(bucket, reduction) }
    }
  }

  private func exchange(_ bucket: Int, _ reduction: BucketReduction) throws {
    let stage = stages[reduction.stage]
    for (index, message) in stage.receives.enumerated() {
      let target = reduction.receiveBuffer(index)
      guard !target.isEmpty else { continue }
      try inFlight.startReceive(
        into: target, of: bucket, from: message.peer, on: communicator, owner: reduction)
    }
    for (index, message) in stage.sends.enumerated() {
      let packed = reduction.packedMessage(index)
      guard !packed.isEmpty else { continue }
      try inFlight.startSend(
        packed, of: bucket, to: message.peer, on: communicator, owner: reduction)
    }
    reduction.isWaiting = true
  }
}

/// The progress of recursive halving with one bucket on this rank, and the partial sums it holds.
private final class BucketReduction {
  /// The current stage.
  private(set) var stage = 0
  /// Whether the stage's messages have been started.
  var isWaiting = false
  /// Whether all stages are done.
  var isDone: Bool { stage == stages.count }

  private let stages: [HalvingStage]
  private let shards: [Range<Int>]
  private let store: ParameterStore
  private let treeSum = TreeSum()
  private var plans: [MergingPlan]
  /// The partial sums that this rank holds of each shard, `heldCount` of each.
  private var held: [[UnsafePointer<Float>]]
  private var heldCount = 0
  /// Of each stage and message, the packed partial sums: shard by shard, sum by sum.
  private let outgoing: [[AlignedBuffer<Float>]]
  private let incoming: [[AlignedBuffer<Float>]]
  /// Of each stage, the merged partial sums of the shards that it receives, in the same order.
  private let merged: [[AlignedBuffer<Float>]]
  private var items: [UnsafePointer<Float>] = []
  private var results: [UnsafeMutablePointer<Float>] = []

  /// Makes room for the messages of the largest plans.
  init(
    _ stages: [HalvingStage], _ largest: [MergingPlan], shards: [Range<Int>],
    _ store: ParameterStore
  ) {
    self.stages = stages
    self.shards = shards
    self.store = store
    plans = largest
    held = shards.map { _ in [] }
    let length = { (message: HalvingStage.Message) in
      message.shards.reduce(0) { $0 + shards[$1].count }
    }
    outgoing = zip(stages, largest).map { stage, plan in
      let own = plan.itemsOfOwner[stage.isLeft ? 0 : 1].count
      return stage.sends.map { AlignedBuffer(count: length($0) * own) }
    }
    incoming = zip(stages, largest).map { stage, plan in
      let others = plan.itemsOfOwner[stage.isLeft ? 1 : 0].count
      return stage.receives.map { AlignedBuffer(count: length($0) * others) }
    }
    merged = zip(stages, largest).map { stage, plan in
      stage.receives.map { AlignedBuffer(count: length($0) * plan.plan.resultCount) }
    }
  }

  /// Begins with this rank's `own` partial sums of every shard, and each stage's plan for the batch.
  func begin(_ plansOfStages: [MergingPlans], batchRows: Int, own: Int) {
    for (stage, plans) in plansOfStages.enumerated() {
      self.plans[stage] = plans.plan(batchRows: batchRows)
    }
    heldCount = own
    stage = 0
    isWaiting = false
    for (shard, elements) in shards.enumerated() {
      held[shard].removeAll(keepingCapacity: true)
      for index in 0..<own {
        held[shard].append(store.gradients[index].base + elements.lowerBound)
      }
    }
  }

  /// Where message `index` of this stage is received.
  func receiveBuffer(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
    let others = plans[stage].itemsOfOwner[stages[stage].isLeft ? 1 : 0].count
    let length = stages[stage].receives[index].shards.reduce(0) { $0 + shards[$1].count }
    return UnsafeMutableBufferPointer(start: incoming[stage][index].base, count: length * others)
  }

  /// Packs message `index` of this stage.
  func packedMessage(_ index: Int) -> UnsafeBufferPointer<Float> {
    let start = outgoing[stage][index].base
    var end = start
    for shard in stages[stage].sends[index].shards {
      for partialSum in 0..<heldCount {
        end.update(from: held[shard][partialSum], count: shards[shard].count)
        end += shards[shard].count
      }
    }
    return UnsafeBufferPointer(start: start, count: end - start)
  }

  /// Merges what this stage has received with what this rank holds of the same shards.
  func merge() {
    let (part, plan) = (stages[stage], plans[stage])
    let others = plan.itemsOfOwner[part.isLeft ? 1 : 0].count
    for (index, message) in part.receives.enumerated() {
      var source = incoming[stage][index].base
      var target = merged[stage][index].base
      for shard in message.shards {
        let count = shards[shard].count
        items.removeAll(keepingCapacity: true)
        if part.isLeft { items += held[shard] }
        for _ in 0..<others {
          items.append(UnsafePointer(source))
          source += count
        }
        if !part.isLeft { items += held[shard] }
        results.removeAll(keepingCapacity: true)
        held[shard].removeAll(keepingCapacity: true)
        for _ in 0..<plan.plan.resultCount {
          results.append(target)
          held[shard].append(UnsafePointer(target))
          target += count
        }
        treeSum.add(items, as: plan.plan, count: count, into: results)
      }
    }
    heldCount = plan.plan.resultCount
    stage += 1
    isWaiting = false
  }

  /// Copies the whole batch's sum of a shard, once all stages are done.
  func copyShard(_ shard: Int, to target: UnsafeMutablePointer<Float>, count: Int) {
    guard heldCount > 0, held[shard][0] != UnsafePointer(target) else { return }
    target.update(from: held[shard][0], count: count)
  }
}

/// One rank's part in one stage of recursive halving: which ranks exchange which shards.
///
/// Before stage j, each block of 2^j ranks (the last one may be cut off) has added up what its ranks
/// have, and each shard of that sum is held by one rank of the block. The stage merges neighboring
/// blocks; of the two holders of a shard one sends its part to the other. With distances 1, 2, 4 …
/// the additions are those of the slice tree. After: Thakur, Rabenseifner, Gropp, "Optimization of
/// Collective Communication Operations in MPICH", 2005, section 4.2, with the distances reversed.
package struct HalvingStage {
  /// The shards that are sent to, or received from, one other rank.
  package struct Message {
    package let peer: Int
    package let shards: [Int]
  }

  /// The ranks of the left block and of the right one.
  package let blocks: [Range<Int>]
  /// Whether this rank belongs to the left block.
  package let isLeft: Bool
  /// What this rank sends.
  package let sends: [Message]
  /// What this rank receives, and holds the merge of after the stage.
  package let receives: [Message]

  /// The stages of `rank` of `ranks` in order; stages without a neighboring block are left out.
  package static func all(rank: Int, ranks: Int) -> [HalvingStage] {
    var stages: [HalvingStage] = []
    var size = 1
    while size < ranks {
      let left = rank / (2 * size) * 2 * size
      if left + size < ranks {
        stages.append(HalvingStage(rank: rank, ranks: ranks, left: left, size: size))
      }
      size *= 2
    }
    return stages
  }

  private init(rank: Int, ranks: Int, left: Int, size: Int) {
    let right = left + size
    blocks = [left..<right, right..<Swift.min(right + size, ranks)]
    isLeft = rank < right
    var sent: [Int: [Int]] = [:]
    var received: [Int: [Int]] = [:]
    for shard in 0..<ranks {
      let holders = [left, right].map {
        Self.holder(ofShard: shard, block: $0, size: size, ranks: ranks)
      }
      let next = Self.holder(ofShard: shard, block: left, size: 2 * size, ranks: ranks)
      let other = next == holders[0] ? holders[1] : holders[0]
      if rank == other { sent[next, default: []].append(shard) }
      if rank == next { received[other, default: []].append(shard) }
    }
    sends = sent.sorted { $0.key < $1.key }.map { Message(peer: $0.key, shards: $0.value) }
    receives = received.sorted { $0.key < $1.key }.map { Message(peer: $0.key, shards: $0.value) }
  }

  /// The rank of the block of `size` ranks from `block` on that holds the block's sum of a shard.
  ///
  /// Its low bits are those of the shard's owner, as many as there are ranks for.
  private static func holder(ofShard shard: Int, block: Int, size: Int, ranks: Int) -> Int {
    var size = size
    while block + shard % size >= ranks { size /= 2 }
    return block + shard % size
  }
}
