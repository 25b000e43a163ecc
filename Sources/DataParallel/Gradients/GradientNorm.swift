// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// The norm of the whole gradient, of which each rank has its shards; the same bits on all ranks.
///
/// Each owner adds the squares of its blocks up, and every rank adds the blocks in their order. The
/// sums that an update takes along travel in the same message.
final class GradientNorm {
  private let team: HostTeam
  private let shards: ShardTable
  private let plans: MergingPlans
  private let board: SharedBoard
  private let wholeBoard: SharedBoard
  /// The sum of squares of each block.
  private let blockSums: AlignedBuffer<Double>
  /// The blocks of each rank, bucket by bucket.
  private let blocksOfRank: [[Int]]
  private var routes: [Int: Route] = [:]

  /// Where each rank's numbers travel: its block sums, then its nodes of the other sums.
  private final class Route {
    let starts: [Int]
    let layout: BlockLayout
    let numbers: AlignedBuffer<Double>
    let rows: AlignedBuffer<Double>
    /// How many numbers the member of a team with the most of them has.
    let mostOfMember: Int

    init(_ blocks: [[Int]], _ largest: MergingPlan, width: Int, _ division: HostTeams) throws {
      var starts = [0]
      for (blocks, items) in zip(blocks, largest.itemsOfOwner) {
        starts.append(starts[starts.count - 1] + blocks.count + items.count * width)
      }
      self.starts = starts
      mostOfMember = division.members.map { starts[$0 + 1] - starts[$0] }.max() ?? 0
      layout = try BlockLayout(
        counts: division.teams.map { starts[$0.upperBound] - starts[$0.lowerBound] })
      numbers = AlignedBuffer(count: starts[starts.count - 1])
      rows = AlignedBuffer(count: largest.plan.items.count * width)
    }
  }

  /// - Parameter plans: those that merge what all ranks have; their owners are the ranks.
  init(_ team: HostTeam, _ shards: ShardTable, _ plans: MergingPlans) throws {
    self.team = team
    self.shards = shards
    self.plans = plans
    board = SharedBoard(team, .norms)
    wholeBoard = SharedBoard(team, .wholeNorms)
    blocksOfRank = (0..<team.world.size).map { rank in
      shards.shardBlocks.flatMap { Array($0[rank]) }
    }
    blockSums = AlignedBuffer(count: shards.blocks.count)
  }

  /// Adds up the squares of this rank's shard of a bucket, which is final in `gradients`.
  func take(_ bucket: Int, of gradients: UnsafePointer<Float>) {
    for block in shards.shardBlocks[bucket][team.world.rank] {
      let range = shards.blocks.range(block)
      blockSums.base[block] = Reductions.sumOfSquares(gradients + range.lowerBound, range.count)
    }
  }

  /// The norm, once this rank's shards of all buckets are taken; all ranks.
  ///
  /// - Parameter sums: are merged into `sums.whole`.
  func norm(adding sums: SliceSums) throws -> Double {
    let route = try route(width: sums.width)
    let (rank, members) = (team.world.rank, team.division.members)
    let starts = route.starts
    let own: UnsafeMutablePointer<Double>
    if team.members == nil {
      own = route.numbers.base + starts[rank]
    } else {
      own = try board.open(rowCount: route.mostOfMember)
    }
    write(sums, to: own)
    if team.members != nil {
      try board.close()
      for (member, rank) in members.enumerated() {
        (route.numbers.base + starts[rank]).update(
          from: board.row(of: member), count: starts[rank + 1] - starts[rank])
      }
    }
    try gatherBetween(route)
    return read(route, sums)
  }

  /// Writes the squares of this rank's blocks, and its nodes of the sums.
  private func write(_ sums: SliceSums, to own: UnsafeMutablePointer<Double>) {
    let blocks = blocksOfRank[team.world.rank]
    for (place, block) in blocks.enumerated() { own[place] = blockSums.base[block] }
    for node in 0..<sums.mergeOwn() {
      (own + blocks.count + node * sums.width).update(
        from: sums.row(sums.node(node)), count: sums.width)
    }
  }

  /// Merges the sums of all ranks, and returns the root of the sum of all blocks.
  private func read(_ route: Route, _ sums: SliceSums) -> Double {
    let plan = plans.plan(batchRows: sums.slices.batchRows)
    for (rank, blocks) in blocksOfRank.enumerated() {
      let source = route.numbers.base + route.starts[rank]
      for (place, block) in blocks.enumerated() { blockSums.base[block] = source[place] }
      let items = plan.itemsOfOwner[rank]
      (route.rows.base + items.lowerBound * sums.width).update(
        from: source + blocks.count, count: items.count * sums.width)
    }
    sums.merge(route.rows.base, as: plan.plan)
    sums.whole.base.update(
      from: route.rows.base + sums.node(0) * sums.width, count: sums.width)
    return Reductions.sum(blockSums.base, blockSums.count).squareRoot()
  }

  /// Collects the numbers of all teams: the leaders by a message, the others from their leader.
  private func gatherBetween(_ route: Route) throws {
    guard team.division.teams.count > 1 else { return }
    let numbers = route.numbers
    try team.leaders?.allGather(inPlace: numbers.mutableElements, layout: route.layout)
    guard team.members != nil else { return }
    let target = try wholeBoard.open(rowCount: numbers.count)
    if team.leaders != nil { target.update(from: numbers.base, count: numbers.count) }
    try wholeBoard.close()
    numbers.base.update(from: wholeBoard.row(of: 0), count: numbers.count)
  }

  /// The route for sums of a width; made once for each.
  private func route(width: Int) throws -> Route {
    if let known = routes[width] { return known }
    let made = try Route(blocksOfRank, plans.largest, width: width, team.division)
    routes[width] = made
    return made
  }
}
