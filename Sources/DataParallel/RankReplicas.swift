// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// The replicas of a network on the ranks of a communicator.
///
/// Each rank owns a contiguous run of slices. Statistics and sums travel as nodes of the slice tree
/// and are finished on every rank; gradients travel as nodes too and are finished by the owner of
/// each shard. MPI only moves bytes: all additions are ours, in the order of the tree.
final class RankReplicas: Replicas {
  let slices: SlicePartition
  /// What this rank has spent its time on.
  private(set) var times = CommunicationTimes()
  /// Takes down when that was, if it is there.
  private let spans: SpanRecorder?

  private let store: ParameterStore
  private let shards: ShardTable
  private let state: OptimizerState
  private let partials: PartialsExchange
  private let gradients: GradientExchange
  private let moments: MomentGather
  private let mode: ExchangeOptions.Mode
  private let watch: StallWatch?

  init(
    _ communicator: Communicator, store: ParameterStore, slices count: Int,
    optimizer: any Optimizer, options: ExchangeOptions, watch: StallWatch?,
    spans: SpanRecorder? = nil
  ) throws {
    self.watch = watch
    self.spans = spans
    let (rank, ranks) = (communicator.rank, communicator.size)
    slices = SlicePartition(count: count, rank: rank, of: ranks)
    self.store = store
    mode = options.mode
    let owners = (0..<ranks).map { SlicePartition(count: count, rank: $0, of: ranks).owned }
    let plans = MergingPlans(slices, owners: owners)
    store.allocateGradients(nodes: Swift.max(plans.largest.itemsOfOwner[rank].count, 1))
    shards = ShardTable(
      store.table.blocks, ranks: ranks, rank: rank, bucketBytes: options.bucketBytes)
    state = OptimizerState(
      store.table,
      ranges: options.mode == .sharded ? shards.ownRanges : [0..<store.table.parameterCount],
      moments: optimizer.momentNames.count)
    partials = PartialsExchange(communicator, plans)
    let reduceScatter: any ReduceScatter =
      options.schedule.halves(ranks: ranks)
      ? HalvingReduceScatter(communicator, store, shards, slices, owners: owners)
      : DirectReduceScatter(communicator, store, shards, plans)
    gradients = try GradientExchange(communicator, store, shards, reduceScatter)
    moments = MomentGather(communicator, store.table, shards)
  }

  func mergeMoments(_ moments: SliceMoments) throws {
    watch?.enter(.forwardStatistics)
    try timed(\.wait, .statistics) { try partials.merge(moments) }
  }

  func sumOverBatch(_ sums: SliceSums) throws {
    watch?.enterSum()
    try timed(\.wait, .sums) { try partials.merge(sums) }
  }

  func gradientsReady(_ span: Range<Int>, of slices: BatchSlices) throws {
    try timed(\.exchange, .exchange) { try gradients.ready(span, batchRows: slices.batchRows) }
  }

  func updateParameters(_ update: ParameterUpdate) throws -> UpdateOutcome {
    watch?.enter(.gradientExchange)
    try timed(\.exchange, .exchange) { try gradients.finish() }
    if mode == .allReduce {
      try timed(\.exchange, .exchange) { try gradients.gatherShards(of: store.gradients[0]) }
    }
    watch?.enter(.gradientNorm)
    let norm = try timed(\.wait, .gradientNorm) { try gradients.norm() }
    let outcome = UpdateOutcome(gradientNorm: norm)
    guard outcome.applied else { return outcome }
    timed(\.update, .shard) {
      state.apply(update, gradientNorm: norm, to: store, gradients: store.gradients[0].base)
    }
    if mode == .sharded {
      watch?.enter(.parameterGather)
      try timed(\.exchange, .parameterGather) { try gradients.gatherShards(of: store.parameters) }
    }
    return outcome
  }

  /// The moments of all parameters on rank 0; all ranks.
  func gatherMoments() throws -> [AlignedBuffer<Float>] {
    try moments.gather(state, sharded: mode == .sharded)
  }

  /// Takes this rank's part of the moments of all parameters.
  func loadMoments(_ whole: [AlignedBuffer<Float>]) {
    state.load(whole)
  }

  private func timed<Result>(
    _ kind: WritableKeyPath<CommunicationTimes, Double>, _ name: SpanRecorder.Name,
    _ body: () throws -> Result
  ) rethrows -> Result {
    let start = MonotonicClock.seconds
    defer {
      times[keyPath: kind] += MonotonicClock.seconds - start
      spans?.add(name, since: start)
    }
    return try body()
  }
}
