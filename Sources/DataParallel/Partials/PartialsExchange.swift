// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// Brings small partial results of all ranks together and finishes their tree on every rank.
///
/// A team's members see each other's rows in shared memory; teams exchange what their members' rows
/// merge to, by one message between their leaders.
final class PartialsExchange {
  private let team: HostTeam
  private let plans: TeamPlans
  private let board: SharedBoard
  private let wholeBoard: SharedBoard
  private var gathered = AlignedBuffer<Double>(count: 0)
  private var layouts: [Shape: BlockLayout] = [:]

  private struct Shape: Hashable {
    let batchRows: Int
    let width: Int
  }

  init(_ team: HostTeam, _ plans: TeamPlans) {
    self.team = team
    self.plans = plans
    board = SharedBoard(team, .partials)
    wholeBoard = SharedBoard(team, .wholePartials)
  }

  /// Merges the slices of all ranks into `partials.whole`; all ranks.
  func merge(_ partials: SlicePartials) throws {
    let rows = partials.slices.batchRows
    let width = partials.width
    let within = plans.members.plan(batchRows: rows)
    let needed = Swift.max(
      within.plan.items.count, plans.teams.plan(batchRows: rows).plan.items.count)
    if gathered.count < needed * width { gathered = AlignedBuffer(count: needed * width) }
    try gatherWithin(partials, within)
    partials.merge(gathered.base, as: within.plan)
    if team.division.teams.count > 1 {
      try gatherBetween(partials, rows: rows)
      partials.merge(gathered.base, as: plans.teams.plan(batchRows: rows).plan)
    }
    // The whole batch has rows, so exactly one node is left.
    partials.whole.base.update(from: gathered.base + partials.node(0) * width, count: width)
  }

  /// Collects the rows of all members.
  private func gatherWithin(_ partials: SlicePartials, _ plan: MergingPlan) throws {
    let width = partials.width
    let place = team.division.place
    let own = partials.mergeOwn()
    guard team.members != nil else {
      for item in 0..<own {
        (gathered.base + item * width).update(
          from: partials.row(partials.node(item)), count: width)
      }
      return
    }
    let target = try board.open(rowCount: plan.mostItems * width)
    for item in 0..<own {
      (target + item * width).update(from: partials.row(partials.node(item)), count: width)
    }
    try board.close()
    for (member, items) in plan.itemsOfOwner.enumerated() {
      let source = member == place ? UnsafePointer(target) : board.row(of: member)
      (gathered.base + items.lowerBound * width).update(from: source, count: items.count * width)
    }
  }

  /// Collects the nodes of all teams: the leaders by a message, the others from their leader.
  private func gatherBetween(_ partials: SlicePartials, rows: Int) throws {
    let width = partials.width
    let plan = plans.teams.plan(batchRows: rows)
    let own = plan.itemsOfOwner[team.division.own]
    let needed = plan.plan.items.count * width
    let target =
      team.members == nil ? gathered.base : try wholeBoard.open(rowCount: needed)
    if let leaders = team.leaders {
      // From the last on: the rows move up, and may lie where the next ones go.
      // A batch can have rows in some teams only, so there may be none.
      for item in own.indices.reversed() {
        (target + item * width).update(
          from: gathered.base + partials.node(item - own.lowerBound) * width, count: width)
      }
      try leaders.allGather(
        inPlace: UnsafeMutableBufferPointer(start: target, count: needed),
        layout: layout(plan, Shape(batchRows: rows, width: width)))
    }
    guard team.members != nil else { return }
    try wholeBoard.close()
    gathered.base.update(from: wholeBoard.row(of: 0), count: needed)
  }

  /// Where the rows of each team lie; made once for each shape.
  private func layout(_ plan: MergingPlan, _ shape: Shape) throws -> BlockLayout {
    if let known = layouts[shape] { return known }
    let made = try BlockLayout(counts: plan.itemsOfOwner.map { $0.count * shape.width })
    layouts[shape] = made
    return made
  }
}
