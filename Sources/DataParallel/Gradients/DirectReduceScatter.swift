// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore
internal import Tracing

/// Every team sends each owner in other teams its nodes of the owner's shard; the owner finishes the
/// tree.
///
/// One message a bucket, shard and node: the least waiting while teams are few. An owner reads its
/// own team's nodes where they are made, so within a team nothing is sent.
final class DirectReduceScatter: ReduceScatter {
  private let team: HostTeam
  private let shards: ShardTable
  private let plans: TeamPlans
  private let gradients: [[AlignedBuffer<Float>]]
  private let requests: RequestGroup
  private let treeSum = TreeSum()
  /// Of each bucket, the received pieces of this rank's shard: one for each item of other teams.
  private let received: [AlignedBuffer<Float>]
  private let outbox: TeamOutbox
  private var items: [UnsafePointer<Float>] = []
  private var plan: MergingPlan
  /// The buckets that this rank has finished, in that order, and the numbers of their meetings.
  private var announced: [(bucket: Int, number: Int)] = []
  /// How many of them have been sent on to other teams.
  private var forwarded = 0
  private let flights: BucketFlights

  /// - Parameter gradients: the gradient buffers of the team's members, in their order.
  init(
    _ team: HostTeam, _ shards: ShardTable, _ plans: TeamPlans,
    gradients: [[AlignedBuffer<Float>]], spans: SpanRecorder?
  ) {
    flights = BucketFlights(buckets: shards.buckets.count, spans)
    self.team = team
    self.shards = shards
    self.plans = plans
    self.gradients = gradients
    plan = plans.membersAndOthers.largest
    let others = zip(plans.owners, plan.itemsOfOwner).reduce(0) { sum, owner in
      if case .team = owner.0 { sum + owner.1.count } else { sum }
    }
    received = shards.ownRanges.map { AlignedBuffer(count: others * $0.count) }
    outbox = TeamOutbox(team, shards, plans, gradients: gradients)
    requests = RequestGroup(
      capacity: (outbox.mostMessagesOfABucket + others) * shards.buckets.count)
    announced.reserveCapacity(shards.buckets.count)
  }

  func begin(batchRows: Int) {
    plan = plans.membersAndOthers.plan(batchRows: batchRows)
    outbox.begin(batchRows: batchRows)
    announced.removeAll(keepingCapacity: true)
    forwarded = 0
  }

  func start(_ bucket: Int) throws {
    let own = shards.shards[bucket][team.world.rank]
    var place = 0
    for (owner, items) in zip(plans.owners, plan.itemsOfOwner) {
      guard case .team(let other) = owner, !own.isEmpty else { continue }
      let agent = team.division.agent(ofTeam: other, forShardsOf: team.world.rank)
      for _ in items {
        try requests.startReceive(
          into: UnsafeMutableBufferPointer(
            start: received[bucket].base + place * own.count, count: own.count),
          from: agent, tag: bucket, on: team.world, owner: received[bucket], label: bucket)
        flights.began(bucket)
        place += 1
      }
    }
    announced.append((bucket, team.announce(.gradients)))
  }

  func progress() throws {
    guard team.division.teams.count > 1 else { return }
    while forwarded < announced.count,
      team.haveAllAnnounced(.gradients, announced[forwarded].number)
    {
      try forward()
    }
    try requests.progress(flights.ended)
  }

  /// Sends what the team has of the next bucket's shards that others own.
  private func forward() throws {
    try outbox.send(bucket: announced[forwarded].bucket, requests, flights)
    forwarded += 1
  }

  func finish(_ isFinal: (_ bucket: Int) -> Void) throws {
    let several = team.division.teams.count > 1
    while several && forwarded < announced.count {
      try team.wait(for: .gradients, announced[forwarded].number)
      try forward()
    }
    while several && requests.count > 0 { try requests.waitSome(flights.ended) }
    let target = gradients[team.division.place][0].base
    for (bucket, number) in announced {
      try team.wait(for: .gradients, number)
      let own = shards.shards[bucket][team.world.rank]
      guard !own.isEmpty else { continue }
      collectItems(bucket, own)
      treeSum.add(items, as: plan.plan, count: own.count, into: [target + own.lowerBound])
      isFinal(bucket)
    }
  }

  /// Points at every item of a bucket's shard, in the order of the plan.
  private func collectItems(_ bucket: Int, _ own: Range<Int>) {
    items.removeAll(keepingCapacity: true)
    var place = 0
    for (owner, itemsOfOwner) in zip(plans.owners, plan.itemsOfOwner) {
      for item in 0..<itemsOfOwner.count {
        switch owner {
        case .member(let member):
          items.append(gradients[member][item].base + own.lowerBound)
          team.noteRead(own.count, of: member)
        case .team:
          items.append(received[bucket].base + place * own.count)
          place += 1
        }
      }
    }
  }
}
