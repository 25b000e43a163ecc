// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// Adds up what a team has of shards that ranks of other teams own, and sends it to them.
///
/// Each member does so for its clients (``HostTeams/clients``). A team of one has nothing to add up:
/// its gradients are sent from where they are.
final class TeamOutbox {
  /// The most messages that this rank sends of a bucket.
  let mostMessagesOfABucket: Int

  private let team: HostTeam
  private let shards: ShardTable
  private let plans: TeamPlans
  private let gradients: [[AlignedBuffer<Float>]]
  private let clients: [Int]
  private let treeSum = TreeSum()
  /// Of each bucket and client, the nodes that the team's gradients add up to.
  private let sums: [[AlignedBuffer<Float>]]
  private var plan: MergingPlan
  private var items: [UnsafePointer<Float>] = []
  private var results: [UnsafeMutablePointer<Float>] = []

  init(
    _ team: HostTeam, _ shards: ShardTable, _ plans: TeamPlans,
    gradients: [[AlignedBuffer<Float>]]
  ) {
    self.team = team
    self.shards = shards
    self.plans = plans
    self.gradients = gradients
    let clients = team.division.clients
    self.clients = clients
    let plan = plans.members.largest
    self.plan = plan
    mostMessagesOfABucket = clients.count * plan.plan.nodes
    sums =
      team.members == nil
      ? []
      : shards.shards.map { bucket in
        clients.map { AlignedBuffer(count: plan.plan.nodes * bucket[$0].count) }
      }
  }

  func begin(batchRows: Int) {
    plan = plans.members.plan(batchRows: batchRows)
  }

  /// Starts to send the nodes of a bucket's shards, whose gradients are final on all members.
  func send(bucket: Int, _ requests: RequestGroup, _ flights: BucketFlights) throws {
    for (index, client) in clients.enumerated() {
      let shard = shards.shards[bucket][client]
      guard !shard.isEmpty else { continue }
      if team.members == nil {
        for node in 0..<plan.plan.items.count {
          try requests.startSend(
            UnsafeBufferPointer(rebasing: gradients[0][node].elements[shard]), to: client,
            tag: bucket, on: team.world, owner: gradients[0][node], label: bucket)
          flights.began(bucket)
        }
      } else {
        let buffer = sums[bucket][index]
        addUp(shard, into: buffer)
        for node in 0..<plan.plan.nodes {
          try requests.startSend(
            UnsafeBufferPointer(start: buffer.base + node * shard.count, count: shard.count),
            to: client, tag: bucket, on: team.world, owner: buffer, label: bucket)
          flights.began(bucket)
        }
      }
    }
  }

  private func addUp(_ shard: Range<Int>, into buffer: AlignedBuffer<Float>) {
    items.removeAll(keepingCapacity: true)
    for (member, itemsOfOwner) in plan.itemsOfOwner.enumerated() {
      for item in 0..<itemsOfOwner.count {
        items.append(gradients[member][item].base + shard.lowerBound)
        team.noteRead(shard.count, of: member)
      }
    }
    results.removeAll(keepingCapacity: true)
    for node in 0..<plan.plan.nodes { results.append(buffer.base + node * shard.count) }
    treeSum.add(items, as: plan.plan, count: shard.count, into: results)
  }
}
