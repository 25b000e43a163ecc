// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import MessagePassing
internal import NeuralCore
internal import Tracing

/// The replicas of a network on the ranks of a communicator.
///
/// Each rank owns consecutive slices. Statistics and sums travel as partial results of the slice tree
/// and are finished on every rank; gradients travel as partial sums of the same tree and are finished
/// by the owner of each shard, which also updates the shard's parameters. MPI and shared memory only
/// move bytes: all additions are ours, in the order of the tree.
final class DistributedReplicas: Replicas {
  let slices: SlicePartition
  /// What this rank has spent its time on.
  private(set) var times = CommunicationTimes()
  /// What this rank has sent in messages, and read in shared memory.
  var traffic: CommunicationTraffic {
    var traffic = sent
    traffic.shared = group.bytesRead
    return traffic
  }
  /// The number of participants between which gradients and parameters travel in messages.
  let exchangeParticipants: Int

  private var sent = CommunicationTraffic()
  private let group: LocalGroup
  private let store: ParameterStore
  private let mode: ExchangeOptions.Mode
  private let shards: ShardTable
  private let shardLayouts: [BlockLayout]
  private let partials: PartialsMerge
  private var readiness: BucketReadiness
  private var isExchanging = false
  private let reduceScatter: any ReduceScatter
  private let norm: GradientNorm
  private let state: OptimizerState
  /// Collects what trust ratios are made from; nil where each rank computes all of it, or nobody
  /// needs it.
  private let trustRatioGather: TrustRatioGather?
  private let maxNorm: MaxNorm
  /// Whether the ranks of the local group update one copy of the parameters.
  private let sharesParameters: Bool
  /// Sends parameters to the local groups; nil where collectives send shards to all ranks.
  private let parameterGather: ParameterGather?
  private let watch: StallWatch?
  private let spans: SpanRecorder?

  /// - Parameter streamingStores: as that of ``SharedParameters``.
  init(
    _ group: LocalGroup, store: ParameterStore, slices count: Int, optimizer: any Optimizer,
    options: ExchangeOptions, streamingStores: Bool?, watch: StallWatch?,
    spans: SpanRecorder? = nil
  ) throws {
    self.watch = watch
    self.spans = spans
    self.group = group
    self.store = store
    mode = options.mode
    let (rank, ranks) = (group.world.rank, group.world.size)
    let slices = SlicePartition(count: count, rank: rank, of: ranks)
    self.slices = slices
    let plans = GroupPlans(slices, group.groups)
    partials = PartialsMerge(group, plans)
    let shards = ShardTable(
      store.table.blocks, ranks: ranks, rank: rank, bucketBytes: options.bucketBytes)
    self.shards = shards
    shardLayouts = try shards.shards.map { try BlockLayout(counts: $0.map(\.count)) }
    readiness = BucketReadiness(shards.buckets)
    norm = GradientNorm(group, shards, plans.ranks)

    let halves = options.schedule.halves(groups: group.groups.count)
    exchangeParticipants = halves ? ranks : group.groups.count
    var shared: SharedParameters?
    if !halves, let members = group.members {
      shared = try SharedParameters(
        group, members, store, buffers: plans.gradientBuffersOfMembers,
        ownRanges: shards.ownRanges, streamingStores: streamingStores)
    } else {
      store.allocateGradients(nodes: plans.gradientBuffersOfMembers[group.groups.localRank])
    }
    reduceScatter =
      halves
      ? HalvingReduceScatter(group.world, store, shards, slices, spans: spans)
      : DirectReduceScatter(
        group, shards, plans, gradients: shared?.gradients ?? [store.gradients], spans: spans)
    let areStreamed = shared?.usesStreamingStores ?? false
    state = OptimizerState(
      store.table,
      ranges: mode == .sharded ? shards.ownRanges : [0..<store.table.parameterCount],
      optimizer: optimizer,
      writing: shared == nil ? .inPlace : areStreamed ? .streamed : .copied)
    trustRatioGather =
      mode == .allReduce
      ? nil : try state.trustRatios.map { try TrustRatioGather(group, shards, $0) }
    sharesParameters = shared != nil
    maxNorm =
      shared == nil
      ? MaxNorm(store.table)
      : MaxNorm(store.table, member: group.groups.localRank, of: group.groups.members.count)
    parameterGather =
      halves || mode == .allReduce
      ? nil : ParameterGather(group, store, shards, areStreamed: areStreamed)
  }

  func mergeStatistics(_ statistics: SliceStatistics) throws {
    watch?.enter(.forwardStatistics)
    try timed(.wait, .statistics) { try partials.merge(statistics) }
  }

  func sumOverBatch(_ sums: SliceSums) throws {
    watch?.enter(.backwardSums)
    try timed(.wait, .sums) { try partials.merge(sums) }
  }

  func gradientsReady(_ span: Range<Int>, of slices: BatchSlices) throws {
    // Spans come in descending order, so all after it are final too.
    try gradientsReady(part: span.lowerBound..<Int.max, of: slices)
  }

  func gradientsReady(part: Range<Int>, of slices: BatchSlices) throws {
    try timed(.exchange, .exchange) {
      if !isExchanging {
        isExchanging = true
        readiness.reset()
        reduceScatter.begin(batchRows: slices.batchRows)
      }
      try readiness.markFinal(part) { try reduceScatter.start(bucket: $0) }
      try reduceScatter.progress()
    }
  }

  func updateParameters(_ update: ParameterUpdate) throws -> UpdateOutcome {
    watch?.enter(.gradientExchange)
    let gradients = store.gradients[0]
    try timed(.exchange, .exchange) {
      try reduceScatter.finish { self.norm.add(bucket: $0, of: gradients.base) }
      isExchanging = false
    }
    if mode == .allReduce {
      try timed(.exchange, .exchange) { try allGatherShards(of: gradients) }
    }
    watch?.enter(.gradientNorm)
    let norm = try timed(.wait, .gradientNorm) { try self.norm.norm(merging: update.sums) }
    let outcome = UpdateOutcome(gradientNorm: norm, of: update)
    guard outcome.applied else { return outcome }
    if let trustRatios = state.trustRatios { try computeTrustRatios(trustRatios, update, norm) }
    if let parameterGather {
      try updateShards(update, norm, parameterGather)
    } else {
      timed(.update, .shard) {
        state.apply(update, gradientNorm: norm, to: store, gradients: gradients.base)
      }
      if mode == .sharded {
        watch?.enter(.parameterGather)
        try timed(.exchange, .parameterGather) { try allGatherShards(of: store.parameters) }
      }
    }
    if let limit = update.maxNorm { try limitNorms(limit) }
    return outcome
  }

  /// The first pass of a layer-wise optimizer, and the ratios for the second one; all ranks.
  private func computeTrustRatios(
    _ trustRatios: TrustRatios, _ update: ParameterUpdate, _ norm: Double
  ) throws {
    timed(.update, .shard) {
      state.computeSteps(
        update, gradientNorm: norm, of: store, gradients: store.gradients[0].base, trustRatios)
    }
    if let trustRatioGather {
      watch?.enter(.trustRatios)
      try timed(.wait, .trustRatios) { try trustRatioGather.gather() }
    }
    trustRatios.finish()
  }

  /// Scales the rows of weight matrices, once all parameters are new here; all ranks.
  ///
  /// Ranks that share one copy divide the units among themselves.
  private func limitNorms(_ limit: Double) throws {
    timed(.update, .shard) { maxNorm.apply(limit, to: store) }
    guard sharesParameters else { return }
    watch?.enter(.parameterGather)
    try timed(.exchange, .parameterGather) { try group.synchronize(at: .parameters) }
  }

  /// Updates this rank's shards, and sends each while the next is updated; all ranks.
  private func updateShards(
    _ update: ParameterUpdate, _ norm: Double, _ gather: ParameterGather
  ) throws {
    try timed(.exchange, .parameterGather) { try gather.begin() }
    for bucket in shards.buckets.indices {
      timed(.update, .shard) {
        state.apply(
          update, gradientNorm: norm, to: store, gradients: store.gradients[0].base, only: bucket)
      }
      try timed(.exchange, .parameterGather) { try gather.send(bucket: bucket) }
    }
    watch?.enter(.parameterGather)
    try timed(.exchange, .parameterGather) { try gather.finish() }
  }

  /// Sends the shards of a buffer that is laid out as the parameters to every rank; all ranks.
  private func allGatherShards(of buffer: AlignedBuffer<Float>) throws {
    for (bucket, elements) in shards.buckets.enumerated() {
      try group.world.allGather(
        inPlace: UnsafeMutableBufferPointer(rebasing: buffer.mutableElements[elements]),
        layout: shardLayouts[bucket])
    }
  }

  /// What time and traffic are counted as, as in ``CommunicationTimes``.
  private enum Cost { case wait, exchange, update }

  private func timed<Result>(
    _ kind: Cost, _ name: SpanRecorder.Name, _ body: () throws -> Result
  ) rethrows -> Result {
    let (start, sentBefore) = (MonotonicClock.seconds, group.world.bytesSent)
    defer {
      let seconds = MonotonicClock.seconds - start
      let bytes = group.world.bytesSent &- sentBefore
      switch kind {
      case .wait: (times.wait, sent.statistics) = (times.wait + seconds, sent.statistics &+ bytes)
      case .exchange:
        (times.exchange, sent.exchange) = (times.exchange + seconds, sent.exchange &+ bytes)
      case .update: times.update += seconds
      }
      spans?.add(name, since: start)
    }
    return try body()
  }
}

extension DistributedReplicas {
  /// The optimizer's moments from the owners of the shards: on rank 0 one buffer per moment, laid out
  /// as the parameters; all ranks.
  func gatherOptimizerState() throws -> [AlignedBuffer<Float>] {
    let communicator = group.world
    guard mode == .sharded else {
      return communicator.rank == 0
        ? (0..<state.momentCount).map { AlignedBuffer(state.moment($0)) } : []
    }
    guard communicator.rank == 0 else {
      for index in 0..<state.momentCount {
        try communicator.send(UnsafeBufferPointer(state.moment(index)), to: 0, tag: index)
      }
      return []
    }
    return try (0..<state.momentCount).map { index in
      let whole = AlignedBuffer<Float>(count: store.table.parameterCount)
      copy(UnsafePointer(state.moment(index).baseAddress), ofRank: 0, into: whole)
      for rank in 1..<communicator.size {
        let count = shards.ranges(ofRank: rank).reduce(0) { $0 + $1.count }
        let part = AlignedBuffer<Float>(count: count)
        try communicator.receive(into: part.mutableElements, from: rank, tag: index)
        copy(UnsafePointer(part.base), ofRank: rank, into: whole)
      }
      return whole
    }
  }

  private func copy(
    _ values: UnsafePointer<Float>?, ofRank rank: Int, into whole: AlignedBuffer<Float>
  ) {
    guard var source = values else { return }
    for range in shards.ranges(ofRank: rank) {
      (whole.base + range.lowerBound).update(from: source, count: range.count)
      source += range.count
    }
  }

  /// Copies this rank's part from the moments of all parameters.
  func loadOptimizerState(_ whole: [AlignedBuffer<Float>]) {
    state.load(whole)
  }
}
