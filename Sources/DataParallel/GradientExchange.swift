// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore
internal import Tracing

/// An algorithm that gives each shard's owner the whole batch's gradient of it.
///
/// Buckets start while the backward pass still runs. The choice of algorithm changes messages and
/// times, never a bit: all add in the slice tree.
protocol ReduceScatter: AnyObject {
  /// Begins a step whose batch has `batchRows` rows; this rank.
  func begin(batchRows: Int)

  /// Begins to exchange a bucket, whose gradients are final on this rank.
  func start(bucket: Int) throws

  /// Continues with what has arrived, and never waits; this rank.
  func progress() throws

  /// Returns once this rank's shards of all buckets are added up in the first gradient buffer.
  ///
  /// - Parameter isFinal: is called for each bucket as soon as this rank's shard of it is added up,
  ///   while the shard is in the cache.
  func finish(_ isFinal: (_ bucket: Int) -> Void) throws
}

/// Every local group sends each owner in other groups its partial sums of the owner's shard; the
/// owner finishes the tree.
///
/// One message per bucket, shard and partial sum: the least waiting while groups are few. An owner
/// reads the gradients of its own group where they are made, so nothing is sent within a group.
final class DirectReduceScatter: ReduceScatter {
  private let group: LocalGroup
  private let shards: ShardTable
  private let plans: GroupPlans
  /// The gradient buffers of each member, by local rank.
  private let gradients: [[AlignedBuffer<Float>]]
  private let inFlight: InFlightBuckets
  private let treeSum = TreeSum()
  /// Merges what the members of this group have, to be sent to other groups.
  private var groupPlan: MergingPlan
  /// Merges what the members have with what other groups send.
  private var ownerPlan: MergingPlan
  /// The buckets that are final on this rank, in that order, and how many times it has then arrived
  /// at the barrier.
  private var ready: [(bucket: Int, arrivals: Int)] = []
  /// How many of them have been sent to other groups.
  private var sent = 0
  /// The ranks of other groups to which this rank sends for its group.
  private let remoteOwners: [Int]
  /// Of each bucket and remote owner, the partial sums that this rank sends.
  ///
  /// A group of one has nothing to add up: its gradients are sent from where they are.
  private let outgoing: [[AlignedBuffer<Float>]]
  /// Of each bucket, the partial sums of this rank's shard that other groups send.
  private let incoming: [AlignedBuffer<Float>]
  private var items: [UnsafePointer<Float>] = []
  private var results: [UnsafeMutablePointer<Float>] = []

  /// - Parameter gradients: the gradient buffers of each member, by local rank.
  init(
    _ group: LocalGroup, _ shards: ShardTable, _ plans: GroupPlans,
    gradients: [[AlignedBuffer<Float>]], spans: SpanRecorder?
  ) {
    self.group = group
    self.shards = shards
    self.plans = plans
    self.gradients = gradients
    let (groupPlan, ownerPlan) = (plans.members.largest, plans.membersAndOthers.largest)
    self.groupPlan = groupPlan
    self.ownerPlan = ownerPlan
    let remoteOwners = group.groups.remoteOwners
    self.remoteOwners = remoteOwners
    let resultCount = groupPlan.plan.resultCount
    outgoing =
      group.members == nil
      ? []
      : shards.shards.map { bucket in
        remoteOwners.map { AlignedBuffer(count: resultCount * bucket[$0].count) }
      }
    let received = zip(plans.owners, ownerPlan.itemsOfOwner).reduce(0) { sum, owner in
      if case .group = owner.0 { sum + owner.1.count } else { sum }
    }
    incoming = shards.ownRanges.map { AlignedBuffer(count: received * $0.count) }
    let buckets = shards.buckets.count
    ready.reserveCapacity(buckets)
    inFlight = InFlightBuckets(
      buckets: buckets, capacity: (remoteOwners.count * resultCount + received) * buckets, spans)
  }

  func begin(batchRows: Int) {
    groupPlan = plans.members.plan(batchRows: batchRows)
    ownerPlan = plans.membersAndOthers.plan(batchRows: batchRows)
    ready.removeAll(keepingCapacity: true)
    sent = 0
  }

  func start(bucket: Int) throws {
    try startReceiving(bucket)
    ready.append((bucket, group.arrive(at: .gradients)))
  }

  private func startReceiving(_ bucket: Int) throws {
    let own = shards.ownRanges[bucket]
    guard !own.isEmpty else { return }
    var target = incoming[bucket].base
    for (owner, items) in zip(plans.owners, ownerPlan.itemsOfOwner) {
      guard case .group(let other) = owner else { continue }
      let sender = group.groups.peer(inGroup: other, forShardsOf: group.world.rank)
      for _ in items {
        try inFlight.startReceive(
          into: UnsafeMutableBufferPointer(start: target, count: own.count), of: bucket,
          from: sender, on: group.world, owner: incoming[bucket])
        target += own.count
      }
    }
  }

  func progress() throws {
    guard group.groups.count > 1 else { return }
    while sent < ready.count,
      group.haveAllArrived(at: .gradients, count: ready[sent].arrivals)
    {
      try sendNext()
    }
    try inFlight.progress()
  }

  /// Sends the group's partial sums of the next bucket, whose gradients are final on all members.
  private func sendNext() throws {
    let bucket = ready[sent].bucket
    sent += 1
    for (index, remote) in remoteOwners.enumerated() {
      let shard = shards.shards[bucket][remote]
      guard !shard.isEmpty else { continue }
      if group.members == nil {
        for item in 0..<groupPlan.plan.items.count {
          let buffer = gradients[0][item]
          try inFlight.startSend(
            UnsafeBufferPointer(rebasing: buffer.elements[shard]), of: bucket, to: remote,
            on: group.world, owner: buffer)
        }
      } else {
        let buffer = outgoing[bucket][index]
        addUpGroup(shard, into: buffer)
        for result in 0..<groupPlan.plan.resultCount {
          try inFlight.startSend(
            UnsafeBufferPointer(start: buffer.base + result * shard.count, count: shard.count),
            of: bucket, to: remote, on: group.world, owner: buffer)
        }
      }
    }
  }

  /// Adds up what the members have of a shard, one partial sum after another.
  private func addUpGroup(_ shard: Range<Int>, into buffer: AlignedBuffer<Float>) {
    items.removeAll(keepingCapacity: true)
    for (member, itemsOfMember) in groupPlan.itemsOfOwner.enumerated() {
      appendItems(itemsOfMember.count, ofLocalRank: member, shard)
    }
    results.removeAll(keepingCapacity: true)
    for result in 0..<groupPlan.plan.resultCount {
      results.append(buffer.base + result * shard.count)
    }
    treeSum.add(items, as: groupPlan.plan, count: shard.count, into: results)
  }

  func finish(_ isFinal: (_ bucket: Int) -> Void) throws {
    if group.groups.count > 1 {
      while sent < ready.count {
        try group.wait(at: .gradients, count: ready[sent].arrivals)
        try sendNext()
      }
      while !inFlight.isEmpty { try inFlight.waitSome() }
    }
    let target = gradients[group.groups.localRank][0].base
    for (bucket, arrivals) in ready {
      try group.wait(at: .gradients, count: arrivals)
      let own = shards.ownRanges[bucket]
      guard !own.isEmpty else { continue }
      collectItems(of: bucket, own)
      results.removeAll(keepingCapacity: true)
      results.append(target + own.lowerBound)
      treeSum.add(items, as: ownerPlan.plan, count: own.count, into: results)
      isFinal(bucket)
    }
  }

  /// Collects every partial sum of this rank's shard of a bucket, in the order of the plan.
  private func collectItems(of bucket: Int, _ own: Range<Int>) {
    items.removeAll(keepingCapacity: true)
    var received = incoming[bucket].base
    for (owner, itemsOfOwner) in zip(plans.owners, ownerPlan.itemsOfOwner) {
      switch owner {
      case .member(let member): appendItems(itemsOfOwner.count, ofLocalRank: member, own)
      case .group:
        for _ in itemsOfOwner {
          items.append(received)
          received += own.count
        }
      }
    }
  }

  private func appendItems(_ count: Int, ofLocalRank member: Int, _ shard: Range<Int>) {
    for item in 0..<count {
      items.append(gradients[member][item].base + shard.lowerBound)
      group.countRead(shard.count, ofLocalRank: member)
    }
  }
}

/// The messages of gradients that are in flight, bucket by bucket.
///
/// MPI reports an arrival only when it is called, so a bucket may count as in flight for longer than
/// its last message was.
final class InFlightBuckets {
  private let requests: RequestGroup
  /// The number of messages of each bucket in flight.
  private var messages: [Int]
  private var starts: [Double]
  private let spans: SpanRecorder?

  /// - Parameter capacity: the maximum number of messages in flight.
  init(buckets: Int, capacity: Int, _ spans: SpanRecorder?) {
    requests = RequestGroup(capacity: capacity)
    messages = Array(repeating: 0, count: buckets)
    starts = Array(repeating: 0, count: buckets)
    self.spans = spans
  }

  /// Whether no message is in flight.
  var isEmpty: Bool { requests.count == 0 }

  /// Whether a bucket has messages in flight.
  func contains(_ bucket: Int) -> Bool { messages[bucket] > 0 }

  func startSend(
    _ buffer: UnsafeBufferPointer<Float>, of bucket: Int, to rank: Int,
    on communicator: Communicator, owner: AnyObject
  ) throws(MPIError) {
    try requests.startSend(
      buffer, to: rank, tag: bucket, on: communicator, owner: owner, label: bucket)
    add(bucket)
  }

  func startReceive(
    into buffer: UnsafeMutableBufferPointer<Float>, of bucket: Int, from rank: Int,
    on communicator: Communicator, owner: AnyObject
  ) throws(MPIError) {
    try requests.startReceive(
      into: buffer, from: rank, tag: bucket, on: communicator, owner: owner, label: bucket)
    add(bucket)
  }

  /// Lets MPI work and removes what has arrived; never waits.
  func progress() throws(MPIError) { try requests.progress(remove) }

  /// Waits until at least one message has arrived.
  func waitSome() throws(MPIError) { try requests.waitSome(remove) }

  private func add(_ bucket: Int) {
    if messages[bucket] == 0, spans != nil { starts[bucket] = MonotonicClock.seconds }
    messages[bucket] += 1
  }

  private func remove(_ bucket: Int) {
    messages[bucket] -= 1
    if messages[bucket] == 0 { spans?.add(.inFlight, bucket, since: starts[bucket]) }
  }
}

/// Sends new parameters from the owners of the shards to all local groups.
///
/// An owner writes its shard where its own group reads it, and sends it to one member of each other
/// group, bucket by bucket, while it updates the next bucket.
final class ParameterGather {
  private let group: LocalGroup
  private let store: ParameterStore
  private let shards: ShardTable
  private let requests: RequestGroup
  private let remoteOwners: [Int]
  /// The number of the first parameters that are prefetched into the core's cache.
  private let prefetched: Int
  /// A second-level cache has room for about this many.
  private static let maximumPrefetched = 1 << 18

  /// - Parameter areStreamed: whether owners write their shards with streaming stores.
  init(_ group: LocalGroup, _ store: ParameterStore, _ shards: ShardTable, areStreamed: Bool) {
    prefetched = areStreamed ? Swift.min(store.parameters.count, Self.maximumPrefetched) : 0
    self.group = group
    self.store = store
    self.shards = shards
    remoteOwners = group.groups.remoteOwners
    requests = RequestGroup(
      capacity: (remoteOwners.count + group.groups.others.count) * shards.buckets.count)
  }

  /// Begins to receive; all ranks, once all members no longer need the old parameters.
  func begin() throws {
    for (bucket, shards) in shards.shards.enumerated() {
      for remote in remoteOwners where !shards[remote].isEmpty {
        try requests.startReceive(
          into: UnsafeMutableBufferPointer(
            rebasing: store.parameters.mutableElements[shards[remote]]),
          from: remote, tag: tag(bucket), on: group.world, owner: store.parameters)
      }
    }
  }

  /// Begins to send this rank's shard of a bucket, whose parameters are new.
  func send(bucket: Int) throws {
    let own = shards.ownRanges[bucket]
    guard !own.isEmpty, group.groups.count > 1 else { return }
    for other in group.groups.others {
      try requests.startSend(
        UnsafeBufferPointer(rebasing: store.parameters.elements[own]),
        to: group.groups.peer(inGroup: other, forShardsOf: group.world.rank), tag: tag(bucket),
        on: group.world, owner: store.parameters)
    }
    try requests.progress()
  }

  /// Returns once all parameters are new here; all ranks.
  func finish() throws {
    try requests.waitAll()
    try group.synchronize(at: .parameters)
    StreamingStores.fetch(store.parameters.base, prefetched)
  }

  /// Gradients of the same buckets have the tags below.
  private func tag(_ bucket: Int) -> Int { shards.buckets.count + bucket }
}
