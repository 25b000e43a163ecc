// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// Every rank sends each owner its nodes of the owner's shard; the owner finishes the tree.
///
/// One message a bucket, peer and node: the least waiting while ranks are few.
final class DirectReduceScatter: ReduceScatter {
  private let communicator: Communicator
  private let store: ParameterStore
  private let shards: ShardTable
  private let plans: MergingPlans
  private let requests: RequestGroup
  private let treeSum = TreeSum()
  /// Of each bucket, the received pieces of this rank's shard: one for each item of other ranks.
  private let received: [AlignedBuffer<Float>]
  private var items: [UnsafePointer<Float>] = []
  private var plan: MergingPlan

  init(
    _ communicator: Communicator, _ store: ParameterStore, _ shards: ShardTable,
    _ plans: MergingPlans
  ) {
    self.communicator = communicator
    self.store = store
    self.shards = shards
    self.plans = plans
    plan = plans.largest
    let most = plan.itemsOfOwner.map(\.count)
    let others = most.reduce(0, +) - most[communicator.rank]
    received = shards.ownRanges.map { AlignedBuffer(count: others * $0.count) }
    let sends = (communicator.size - 1) * most[communicator.rank]
    requests = RequestGroup(capacity: (sends + others) * shards.buckets.count)
  }

  func begin(batchRows: Int) {
    plan = plans.plan(batchRows: batchRows)
  }

  func start(_ bucket: Int) throws {
    let own = shards.shards[bucket][communicator.rank]
    var place = 0
    for peer in 0..<communicator.size where peer != communicator.rank {
      for _ in plan.itemsOfOwner[peer] where !own.isEmpty {
        try requests.startReceive(
          into: UnsafeMutableBufferPointer(
            start: received[bucket].base + place * own.count, count: own.count),
          from: peer, tag: bucket, on: communicator, owner: received[bucket])
        place += 1
      }
    }
    for distance in 1..<communicator.size {
      let peer = (communicator.rank + distance) % communicator.size
      let shard = shards.shards[bucket][peer]
      for node in plan.itemsOfOwner[communicator.rank].indices where !shard.isEmpty {
        let gradients = store.gradients[node - plan.itemsOfOwner[communicator.rank].lowerBound]
        try requests.startSend(
          UnsafeBufferPointer(rebasing: gradients.elements[shard]), to: peer, tag: bucket,
          on: communicator, owner: gradients)
      }
    }
  }

  func progress() throws {
    try requests.progress()
  }

  func finish() throws {
    try requests.waitAll()
    for bucket in shards.buckets.indices {
      let own = shards.shards[bucket][communicator.rank]
      guard !own.isEmpty else { continue }
      collectItems(bucket, own)
      treeSum.add(
        items, as: plan.plan, count: own.count, into: [store.gradients[0].base + own.lowerBound])
    }
  }

  /// Points at every item of a bucket's shard, in the order of the plan.
  private func collectItems(_ bucket: Int, _ own: Range<Int>) {
    items.removeAll(keepingCapacity: true)
    var place = 0
    for (rank, itemsOfOwner) in plan.itemsOfOwner.enumerated() {
      for item in 0..<itemsOfOwner.count {
        if rank == communicator.rank {
          items.append(store.gradients[item].base + own.lowerBound)
        } else {
          items.append(received[bucket].base + place * own.count)
          place += 1
        }
      }
    }
  }
}
