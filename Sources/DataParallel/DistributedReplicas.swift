// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import MessagePassing
internal import NeuralCore
internal import Tracing

/// The replicas of a network on the ranks of a communicator.
///
/// Each rank owns a contiguous run of slices. Statistics and sums travel as nodes of the slice tree
/// and are finished on every rank; gradients travel as nodes too and are finished by the owner of
/// each shard. MPI and shared memory only move bytes: all additions are ours, in the order of the
/// tree.
final class DistributedReplicas: Replicas {
  let slices: SlicePartition
  /// What this rank has spent its time on.
  private(set) var times = CommunicationTimes()
  /// What this rank has sent in messages, and read in shared memory.
  var traffic: CommunicationTraffic {
    var traffic = sent
    traffic.shared = team.bytesRead
    return traffic
  }
  /// Between how many parties gradients and parameters travel in messages.
  let exchangeParticipants: Int
  /// Takes down when that was, if it is there.
  private let spans: SpanRecorder?

  private var sent = CommunicationTraffic()
  private let team: HostTeam
  private let store: ParameterStore
  private let shards: ShardTable
  private let state: OptimizerState
  private let partials: PartialsExchange
  private let gradients: GradientExchange
  private let norm: GradientNorm
  /// Brings parameters to the teams; nil where they go to all ranks by collectives.
  private let gather: ParameterGather?
  private let moments: OptimizerStateGather
  private let mode: ExchangeOptions.Mode
  private let watch: StallWatch?

  init(
    _ team: HostTeam, store: ParameterStore, slices count: Int, optimizer: any Optimizer,
    options: ExchangeOptions, streams: Bool?, watch: StallWatch?, spans: SpanRecorder? = nil
  ) throws {
    self.watch = watch
    self.spans = spans
    self.team = team
    let (rank, ranks) = (team.world.rank, team.world.size)
    slices = SlicePartition(count: count, rank: rank, of: ranks)
    self.store = store
    mode = options.mode
    let plans = TeamPlans(slices, team.division)
    shards = ShardTable(
      store.table.blocks, ranks: ranks, rank: rank, bucketBytes: options.bucketBytes)
    partials = PartialsExchange(team, plans)
    norm = try GradientNorm(team, shards, plans.ranks)
    let halves = options.schedule.halves(groups: team.division.teams.count)
    exchangeParticipants = halves ? ranks : team.division.teams.count
    let way = try Self.reduceScatter(
      team, store, shards, slices, plans, halves: halves, streams: streams, spans)
    let writing: OptimizerState.Writing =
      team.members == nil ? .inPlace : way.isStreamed ? .streamed : .copied
    state = OptimizerState(
      store.table,
      ranges: options.mode == .sharded ? shards.ownRanges : [0..<store.table.parameterCount],
      moments: optimizer.momentNames.count, writing: writing)
    gather =
      halves || mode == .allReduce
      ? nil : ParameterGather(team, store, shards, areStreamed: way.isStreamed)
    gradients = try GradientExchange(team.world, shards, way.reduceScatter)
    moments = OptimizerStateGather(team.world, store.table, shards)
  }

  /// How gradients come to the owners of their shards, and whether memory that the team shares is
  /// written past the caches.
  private static func reduceScatter(
    _ team: HostTeam, _ store: ParameterStore, _ shards: ShardTable, _ slices: SlicePartition,
    _ plans: TeamPlans, halves: Bool, streams: Bool?, _ spans: SpanRecorder?
  ) throws -> (reduceScatter: any ReduceScatter, isStreamed: Bool) {
    let nodes = plans.nodesOfMembers
    if !halves, let members = team.members {
      let shared = try SharedParameters(
        team, members, store, nodes: nodes, ownRanges: shards.ownRanges, streams: streams)
      let direct = DirectReduceScatter(
        team, shards, plans, gradients: shared.gradients, spans: spans)
      return (direct, shared.streams)
    }
    store.allocateGradients(nodes: nodes[team.division.place])
    guard halves else {
      let direct = DirectReduceScatter(
        team, shards, plans, gradients: [store.gradients], spans: spans)
      return (direct, false)
    }
    let ranks = team.world.size
    let owners = (0..<ranks).map { SlicePartition(count: slices.count, rank: $0, of: ranks).owned }
    let halving = HalvingReduceScatter(
      team.world, store, shards, slices, owners: owners, spans: spans)
    return (halving, false)
  }

  func mergeStatistics(_ moments: SliceStatistics) throws {
    watch?.enter(.forwardStatistics)
    try timed(.wait, .statistics) { try partials.merge(moments) }
  }

  func sumOverBatch(_ sums: SliceSums) throws {
    watch?.enter(.backwardSums)
    try timed(.wait, .sums) { try partials.merge(sums) }
  }

  func gradientsReady(_ span: Range<Int>, of slices: BatchSlices) throws {
    // Those of all after it are, too.
    try gradientsReady(part: span.lowerBound..<Int.max, of: slices)
  }

  func gradientsReady(part: Range<Int>, of slices: BatchSlices) throws {
    try timed(.exchange, .exchange) { try gradients.ready(part, batchRows: slices.batchRows) }
  }

  func updateParameters(_ update: ParameterUpdate) throws -> UpdateOutcome {
    watch?.enter(.gradientExchange)
    let own = store.gradients[0].base
    try timed(.exchange, .exchange) {
      try gradients.finish { self.norm.take($0, of: own) }
    }
    if mode == .allReduce {
      try timed(.exchange, .exchange) { try gradients.gatherShards(of: store.gradients[0]) }
    }
    watch?.enter(.gradientNorm)
    let norm = try timed(.wait, .gradientNorm) {
      try self.norm.norm(adding: update.sums)
    }
    let outcome = UpdateOutcome(gradientNorm: norm, of: update)
    guard outcome.applied else { return outcome }
    if let gather {
      try updateShards(update, norm, gather)
    } else {
      timed(.update, .shard) {
        state.apply(update, gradientNorm: norm, to: store, gradients: store.gradients[0].base)
      }
      guard mode == .sharded else { return outcome }
      watch?.enter(.parameterGather)
      try timed(.exchange, .parameterGather) { try gradients.gatherShards(of: store.parameters) }
    }
    return outcome
  }

  /// Updates this rank's shards, each of which is on its way while the next is updated; all ranks.
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

  /// The moments of all parameters on rank 0; all ranks.
  func gatherOptimizerState() throws -> [AlignedBuffer<Float>] {
    try moments.gather(state, sharded: mode == .sharded)
  }

  /// Takes this rank's part of the moments of all parameters.
  func loadOptimizerState(_ whole: [AlignedBuffer<Float>]) {
    state.load(whole)
  }

  private func timed<Result>(
    _ kind: Cost, _ name: SpanRecorder.Name, _ body: () throws -> Result
  ) rethrows -> Result {
    let (start, sentBefore) = (MonotonicClock.seconds, team.world.bytesSent)
    defer {
      let seconds = MonotonicClock.seconds - start
      let bytes = team.world.bytesSent &- sentBefore
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

  /// What time and traffic are counted as.
  private enum Cost {
    /// Waiting for others' statistics and sums.
    case wait
    /// Moving gradients and parameters.
    case exchange
    /// Updating parameters.
    case update
  }
}
