// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// How far recursive halving has come with one bucket on this rank, and what it holds of it.
final class BucketReduction {
  /// The stage in hand.
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
  /// The nodes that this rank holds of each shard; the first `nodes` of them count.
  private var held: [[UnsafePointer<Float>]]
  private var nodes = 0
  /// Of each stage and message, packed nodes of its shards: shard by shard, node by node.
  private let outgoing: [[AlignedBuffer<Float>]]
  private let incoming: [[AlignedBuffer<Float>]]
  /// Of each stage, the merged nodes of the shards that it receives, in the same order.
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
      stage.receives.map { AlignedBuffer(count: length($0) * plan.plan.nodes) }
    }
  }

  /// Begins with this rank's own nodes of every shard, and each stage's plan for the batch.
  func begin(_ plansOfStages: [MergingPlans], batchRows: Int, nodes: Int) {
    for (stage, plans) in plansOfStages.enumerated() {
      self.plans[stage] = plans.plan(batchRows: batchRows)
    }
    self.nodes = nodes
    stage = 0
    isWaiting = false
    for (shard, elements) in shards.enumerated() {
      held[shard].removeAll(keepingCapacity: true)
      for node in 0..<nodes {
        held[shard].append(store.gradients[node].base + elements.lowerBound)
      }
    }
  }

  /// Where message `index` of this stage goes.
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
      for node in 0..<nodes {
        end.update(from: held[shard][node], count: shards[shard].count)
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
        for _ in 0..<plan.plan.nodes {
          results.append(target)
          held[shard].append(UnsafePointer(target))
          target += count
        }
        treeSum.add(items, as: plan.plan, count: count, into: results)
      }
    }
    nodes = plan.plan.nodes
    stage += 1
    isWaiting = false
  }

  /// Copies the whole batch's sum of a shard, once all stages are done.
  func copyShard(_ shard: Int, to target: UnsafeMutablePointer<Float>, count: Int) {
    guard nodes > 0, held[shard][0] != UnsafePointer(target) else { return }
    target.update(from: held[shard][0], count: count)
  }
}
