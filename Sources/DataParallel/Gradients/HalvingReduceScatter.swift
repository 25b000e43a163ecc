// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore
internal import Tracing

/// Recursive halving in tree order: log2 of the ranks messages a bucket, each half as long.
final class HalvingReduceScatter: ReduceScatter {
  private let communicator: Communicator
  private let store: ParameterStore
  private let shards: ShardTable
  private let stages: [HalvingStage]
  private let plans: [MergingPlans]
  private let ownPlans: MergingPlans
  private let requests: RequestGroup
  private let reductions: [BucketReduction]
  private let flights: BucketFlights
  /// The buckets that this rank has finished.
  private var started: [Int] = []

  init(
    _ communicator: Communicator, _ store: ParameterStore, _ shards: ShardTable,
    _ partition: SlicePartition, owners: [Range<Int>], spans: SpanRecorder?
  ) {
    self.communicator = communicator
    self.store = store
    self.shards = shards
    stages = HalvingStage.all(rank: communicator.rank, ranks: communicator.size)
    plans = stages.map { stage in
      MergingPlans(partition, owners: stage.blocks.map { Self.slices(of: $0, owners) })
    }
    ownPlans = MergingPlans(partition, owners: [owners[communicator.rank]])
    let (stages, plans) = (stages, plans)
    reductions = shards.shards.map {
      BucketReduction(stages, plans.map(\.largest), shards: $0, store)
    }
    flights = BucketFlights(buckets: shards.buckets.count, spans)
    let most = stages.reduce(0) { $0 + $1.sends.count + $1.receives.count }
    requests = RequestGroup(capacity: most * shards.buckets.count)
  }

  private static func slices(of ranks: Range<Int>, _ owners: [Range<Int>]) -> Range<Int> {
    owners[ranks.lowerBound].lowerBound..<owners[ranks.upperBound - 1].upperBound
  }

  func begin(batchRows: Int) {
    started.removeAll(keepingCapacity: true)
    let own = ownPlans.plan(batchRows: batchRows).plan.items.count
    for reduction in reductions { reduction.begin(plans, batchRows: batchRows, nodes: own) }
  }

  func start(_ bucket: Int) throws {
    started.append(bucket)
    try advance(bucket)
  }

  func progress() throws {
    try requests.progress(flights.ended)
    for bucket in started { try advance(bucket) }
  }

  func finish(_ isFinal: (_ bucket: Int) -> Void) throws {
    while reductions.contains(where: { !$0.isDone }) {
      try requests.waitSome(flights.ended)
      for bucket in started { try advance(bucket) }
    }
    for (bucket, own) in shards.ownRanges.enumerated() {
      reductions[bucket].copyShard(
        communicator.rank, to: store.gradients[0].base + own.lowerBound, count: own.count)
      isFinal(bucket)
    }
  }

  /// Goes through a bucket's stages as far as messages have come.
  private func advance(_ bucket: Int) throws {
    let reduction = reductions[bucket]
    while flights.messages[bucket] == 0, !reduction.isDone {
      if reduction.isWaiting { reduction.merge() } else { try exchange(bucket, reduction) }
    }
  }

  private func exchange(_ bucket: Int, _ reduction: BucketReduction) throws {
    let stage = stages[reduction.stage]
    for (index, message) in stage.receives.enumerated() {
      let target = reduction.receiveBuffer(index)
      guard !target.isEmpty else { continue }
      flights.began(bucket)
      try requests.startReceive(
        into: target, from: message.peer, tag: bucket, on: communicator, owner: reduction,
        label: bucket)
    }
    for (index, message) in stage.sends.enumerated() {
      let packed = reduction.packedMessage(index)
      guard !packed.isEmpty else { continue }
      flights.began(bucket)
      try requests.startSend(
        packed, to: message.peer, tag: bucket, on: communicator, owner: reduction, label: bucket)
    }
    reduction.isWaiting = true
  }
}
