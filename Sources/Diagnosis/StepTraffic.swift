public import Coordination
// SPDX-License-Identifier: Apache-2.0
internal import DataParallel
internal import NeuralCore

/// The messages that a step sends between hosts: how many, how large, and which wait for which.
///
/// Everything is that of the host with most of it. Counts and sizes come from the tables that the
/// exchange itself works by.
public struct StepTraffic: Sendable {
  /// Messages that a host sends, or receives, at once.
  public struct Load: Hashable, Sendable {
    /// How many.
    public var messages = 0
    /// Their bytes.
    public var bytes = 0

    static func + (left: Load, right: Load) -> Load {
      Load(messages: left.messages + right.messages, bytes: left.bytes + right.bytes)
    }

    /// The larger of both, number by number.
    static func larger(_ left: Load, _ right: Load) -> Load {
      Load(
        messages: Swift.max(left.messages, right.messages),
        bytes: Swift.max(left.bytes, right.bytes))
    }
  }

  /// A bucket of parameters.
  struct Bucket: Hashable {
    let elements: Range<Int>
    /// Its gradients, stage by stage.
    let stages: [Load]
    /// Its new parameters.
    let parameters: Load
  }

  let buckets: [Bucket]
  /// One merge of partial results, for each width.
  let partials: [Int: Load]
  /// The gradient's norm and what travels with it.
  let norm: Load
  /// Whether gradients travel by halving.
  public let halves: Bool
  /// What the busiest host sends in a step.
  public let total: Load

  /// Counts the messages of sharded mode.
  public init(
    _ schedule: StepSchedule, _ placement: EqualHosts, bucketBytes: Int,
    exchange: ExchangeOptions.Schedule = .auto
  ) {
    let shards = ShardTable(
      schedule.blocks, ranks: placement.ranks, rank: 0, bucketBytes: bucketBytes)
    let halves = placement.hosts > 1 && exchange.halves(groups: placement.hosts)
    self.halves = halves
    let gradients =
      halves
      ? HalvingLoads(placement).stages(shards) : shards.shards.map { [Self.direct($0, placement)] }
    buckets = shards.buckets.indices.map { bucket in
      Bucket(
        elements: shards.buckets[bucket], stages: gradients[bucket],
        parameters: Self.gather(shards.shards[bucket], placement, toEveryRank: halves))
    }
    var partials: [Int: Load] = [:]
    var (norm, total) = (Load(), Load())
    for event in schedule.events {
      switch event.request {
      case .partials(let width):
        let load = Self.collective(placement) { placement.nodes[$0] * width * 8 }
        partials[width] = load
        total = total + load
      case .update(let width):
        norm = Self.norm(shards, placement, width: width)
        total = total + norm
      case .gradients, .part: break
      }
    }
    for bucket in buckets {
      total = bucket.stages.reduce(total, +) + bucket.parameters
    }
    self.partials = partials
    self.norm = norm
    self.total = total
  }

  /// Each host's leader sends what the host has to each other one.
  private static func collective(_ placement: EqualHosts, _ bytes: (Int) -> Int) -> Load {
    let others = placement.hosts - 1
    let own = placement.samples.map(bytes)
    return Load(messages: others, bytes: others * (own.max() ?? 0))
  }

  private static func norm(_ shards: ShardTable, _ placement: EqualHosts, width: Int) -> Load {
    let plan = MergingPlans(placement.partition, owners: placement.owners).largest
    return collective(placement) { host in
      placement.ranks(ofHost: host).reduce(0) { sum, rank in
        let blocks = shards.shardBlocks.reduce(0) { $0 + $1[rank].count }
        return sum + 8 * (blocks + plan.itemsOfOwner[rank].count * width)
      }
    }
  }

  /// Each host sends its nodes of every shard that ranks of other hosts own; or receives those of others.
  private static func direct(_ shards: [Range<Int>], _ placement: EqualHosts) -> Load {
    let hosts = (0..<placement.hosts).map { host in
      placement.ranks(ofHost: host).map { shards[$0].count }
    }
    let elements = hosts.map { $0.reduce(0, +) }
    let filled = hosts.map { $0.count { $0 > 0 } }
    let loads = placement.samples.map { host in
      let others = (0..<placement.hosts).filter { $0 != host }
      let sent = Load(
        messages: others.reduce(0) { $0 + filled[$1] } * placement.nodes[host],
        bytes: 4 * others.reduce(0) { $0 + elements[$1] } * placement.nodes[host])
      let nodes = others.reduce(0) { $0 + placement.nodes[$1] }
      let received = Load(messages: filled[host] * nodes, bytes: 4 * elements[host] * nodes)
      return Load.larger(sent, received)
    }
    return loads.reduce(Load(), Load.larger)
  }

  /// Each owner sends its new parameters to one rank of each other host, or to every rank.
  private static func gather(
    _ shards: [Range<Int>], _ placement: EqualHosts, toEveryRank: Bool
  ) -> Load {
    let copies = (placement.hosts - 1) * (toEveryRank ? placement.ranksPerHost : 1)
    let loads = placement.samples.map { host in
      let own = placement.ranks(ofHost: host).map { shards[$0].count }
      let all = shards.reduce(0) { $0 + $1.count }
      let elements = own.reduce(0, +)
      let receivers = toEveryRank ? placement.ranksPerHost : 1
      let sent = Load(
        messages: copies * (toEveryRank ? own.count : own.count { $0 > 0 }),
        bytes: 4 * copies * elements)
      return Load.larger(sent, Load(bytes: 4 * receivers * (all - elements)))
    }
    return placement.hosts > 1 ? loads.reduce(Load(), Load.larger) : Load()
  }
}
