// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// The norm of the whole gradient, of which each rank has its shards; the same bits on all ranks.
///
/// Each owner adds the squares of its blocks up, and every rank adds the blocks in their order.
final class GradientNorm {
  private let team: HostTeam
  private let shards: ShardTable
  private let board: SharedBoard
  private let wholeBoard: SharedBoard
  /// The blocks of each rank, rank by rank, bucket by bucket: the order in which sums travel.
  private let blocksOfRank: [[Int]]
  private let starts: [Int]
  private let layout: BlockLayout
  private let travelling: AlignedBuffer<Double>
  private let blockSums: AlignedBuffer<Double>

  init(_ team: HostTeam, _ shards: ShardTable) throws {
    self.team = team
    self.shards = shards
    board = SharedBoard(team, .norms)
    wholeBoard = SharedBoard(team, .wholeNorms)
    let blocks = (0..<team.world.size).map { rank in
      shards.shardBlocks.flatMap { Array($0[rank]) }
    }
    blocksOfRank = blocks
    var starts = [0]
    for rank in blocks { starts.append(starts[starts.count - 1] + rank.count) }
    self.starts = starts
    layout = try BlockLayout(
      counts: team.division.teams.map { starts[$0.upperBound] - starts[$0.lowerBound] })
    travelling = AlignedBuffer(count: shards.blocks.count)
    blockSums = AlignedBuffer(count: shards.blocks.count)
  }

  /// The norm, given buffers in which this rank's shards are final; all ranks.
  func norm(of gradients: UnsafePointer<Float>) throws -> Double {
    let (rank, members) = (team.world.rank, team.division.members)
    let most = members.map { blocksOfRank[$0].count }.max() ?? 0
    let own = team.members == nil ? travelling.base + starts[rank] : try board.open(rowCount: most)
    for (place, block) in blocksOfRank[rank].enumerated() {
      let range = shards.blocks.range(block)
      own[place] = Reductions.sumOfSquares(gradients + range.lowerBound, range.count)
    }
    if team.members != nil {
      try board.close()
      for (member, rank) in members.enumerated() {
        (travelling.base + starts[rank]).update(
          from: board.row(of: member), count: blocksOfRank[rank].count)
      }
    }
    try gatherBetween()
    var place = 0
    for blocks in blocksOfRank {
      for block in blocks {
        blockSums.base[block] = travelling.base[place]
        place += 1
      }
    }
    return Reductions.sum(blockSums.base, blockSums.count).squareRoot()
  }

  /// Collects the sums of all teams: the leaders by a message, the others from their leader.
  private func gatherBetween() throws {
    guard team.division.teams.count > 1 else { return }
    try team.leaders?.allGather(inPlace: travelling.mutableElements, layout: layout)
    guard team.members != nil else { return }
    let target = try wholeBoard.open(rowCount: travelling.count)
    if team.leaders != nil { target.update(from: travelling.base, count: travelling.count) }
    try wholeBoard.close()
    travelling.base.update(from: wholeBoard.row(of: 0), count: travelling.count)
  }
}
