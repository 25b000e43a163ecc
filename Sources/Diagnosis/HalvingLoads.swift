// SPDX-License-Identifier: Apache-2.0
internal import DataParallel
internal import NeuralCore

/// What recursive halving sends between hosts, stage by stage.
struct HalvingLoads {
  private let placement: EqualHosts
  /// Of each sampled host, of each of its ranks, the stages and the nodes that it holds in each.
  private let hosts: [[[(stage: HalvingStage, nodes: Int, rank: Int)]]]
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

  /// Of each bucket and stage, the load of the busiest host.
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
    _ part: (stage: HalvingStage, nodes: Int, rank: Int), _ shards: [Range<Int>]
  ) -> StepTraffic.Load {
    let host = placement.host(ofRank: part.rank)
    return part.stage.sends.reduce(StepTraffic.Load()) { sum, message in
      guard placement.host(ofRank: message.peer) != host else { return sum }
      let elements = message.shards.reduce(0) { $0 + shards[$1].count }
      guard elements > 0, part.nodes > 0 else { return sum }
      return sum + StepTraffic.Load(messages: 1, bytes: 4 * elements * part.nodes)
    }
  }
}
