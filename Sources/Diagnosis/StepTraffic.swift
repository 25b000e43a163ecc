// SPDX-License-Identifier: Apache-2.0
public import Coordination
internal import DataParallel
internal import NeuralCore

/// The messages that a step sends between hosts: their number, their size, and which wait for which.
///
/// Everything is that of the busiest host. Counts and sizes come from the tables that the exchange
/// itself uses.
public struct StepTraffic: Sendable {
  /// Messages that a host sends, or receives, together.
  public struct Load: Hashable, Sendable {
    /// The number of messages.
    public var messages = 0
    /// Their total size in bytes.
    public var bytes = 0

    static func + (left: Load, right: Load) -> Load {
      Load(messages: left.messages + right.messages, bytes: left.bytes + right.bytes)
    }

    /// The maximum of both, field by field.
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
  /// One merge of partial results, by width.
  let partials: [Int: Load]
  /// The gradient's norm and the sums that travel with it.
  let norm: Load
  /// Whether gradients travel by recursive halving.
  public let halves: Bool
  /// What the busiest host sends in a step.
  public let total: Load

  /// Counts the messages of a step in sharded mode.
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
        let load = Self.collective(placement) { placement.partialSums[$0] * width * 8 }
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

  /// Each host's leader sends what the host has to each other leader.
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

  /// Each host sends its partial sums of every shard that ranks of other hosts own, or receives theirs.
  private static func direct(_ shards: [Range<Int>], _ placement: EqualHosts) -> Load {
    let hosts = (0..<placement.hosts).map { host in
      placement.ranks(ofHost: host).map { shards[$0].count }
    }
    let elements = hosts.map { $0.reduce(0, +) }
    let filled = hosts.map { $0.count { $0 > 0 } }
    let loads = placement.samples.map { host in
      let others = (0..<placement.hosts).filter { $0 != host }
      let sent = Load(
        messages: others.reduce(0) { $0 + filled[$1] } * placement.partialSums[host],
        bytes: 4 * others.reduce(0) { $0 + elements[$1] } * placement.partialSums[host])
      let sums = others.reduce(0) { $0 + placement.partialSums[$1] }
      let received = Load(messages: filled[host] * sums, bytes: 4 * elements[host] * sums)
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

/// What recursive halving sends between hosts, stage by stage.
private struct HalvingLoads {
  private let placement: EqualHosts
  /// Of each sampled host and rank, the stages and the partial sums that the rank holds in each.
  private let hosts: [[[(stage: HalvingStage, partialSums: Int, rank: Int)]]]
  private let stageCount: Int

  init(_ placement: EqualHosts) {
    self.placement = placement
    let owners = placement.owners
    hosts = placement.samples.map { host in
      placement.ranks(ofHost: host).map { rank in
        HalvingStage.all(rank: rank, ranks: placement.ranks).map { stage in
          let blocks = stage.blocks.map {
            owners[$0.lowerBound].lowerBound..<owners[$0.upperBound - 1].upperBound
          }
          let plan = MergingPlans(placement.partition, owners: blocks)
            .plan(batchRows: placement.batchRows)
          return (stage, plan.itemsOfOwner[stage.isLeft ? 0 : 1].count, rank)
        }
      }
    }
    stageCount = hosts.joined().map(\.count).max() ?? 0
  }

  /// The load of the busiest host, by bucket and stage.
  func stages(_ table: ShardTable) -> [[StepTraffic.Load]] {
    table.shards.map { shards in
      (0..<stageCount).map { stage in
        hosts.reduce(StepTraffic.Load()) { most, ranks in
          let sum = ranks.reduce(StepTraffic.Load()) { sum, stages in
            stages.indices.contains(stage) ? sum + sent(stages[stage], shards) : sum
          }
          return StepTraffic.Load.larger(most, sum)
        }
      }
    }
  }

  private func sent(
    _ part: (stage: HalvingStage, partialSums: Int, rank: Int), _ shards: [Range<Int>]
  ) -> StepTraffic.Load {
    let host = placement.host(ofRank: part.rank)
    return part.stage.sends.reduce(StepTraffic.Load()) { sum, message in
      guard placement.host(ofRank: message.peer) != host else { return sum }
      let elements = message.shards.reduce(0) { $0 + shards[$1].count }
      guard elements > 0, part.partialSums > 0 else { return sum }
      return sum + StepTraffic.Load(messages: 1, bytes: 4 * elements * part.partialSums)
    }
  }
}

/// Equal hosts with the same number of ranks each, and the partial sums of each host.
public struct EqualHosts: Sendable {
  /// The number of hosts.
  public let hosts: Int
  /// The number of ranks on each host.
  public let ranksPerHost: Int
  /// The number of all ranks.
  public var ranks: Int { hosts * ranksPerHost }
  /// The number of partial sums that each host's slices add up to.
  let partialSums: [Int]
  let partition: SlicePartition
  let batchRows: Int

  /// Distributes a batch's slices over the ranks.
  ///
  /// - Parameter slices: the number of slices; nil for one per rank.
  public init(hosts: Int, ranksPerHost: Int, slices: Int?, batchRows: Int) {
    self.hosts = hosts
    self.ranksPerHost = ranksPerHost
    self.batchRows = batchRows
    let ranks = hosts * ranksPerHost
    partition = SlicePartition(count: slices ?? ranks, rank: 0, of: ranks)
    let groups = LocalGroups(machines: (0..<ranks).map { $0 / ranksPerHost }, rank: 0)
    let plan = GroupPlans(partition, groups).groups.plan(batchRows: batchRows)
    partialSums = plan.itemsOfOwner.map(\.count)
  }

  func host(ofRank rank: Int) -> Int { rank / ranksPerHost }

  func ranks(ofHost host: Int) -> Range<Int> {
    host * ranksPerHost..<(host + 1) * ranksPerHost
  }

  /// The slices that each rank owns.
  var owners: [Range<Int>] {
    (0..<ranks).map { SlicePartition(count: partition.count, rank: $0, of: ranks).owned }
  }

  /// The hosts whose traffic represents that of all: the first, a middle and the last one.
  var samples: [Int] {
    ranks > 4096 ? [0] : Array(Set([0, hosts / 2, hosts - 1])).sorted()
  }
}
