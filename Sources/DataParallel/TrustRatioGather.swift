// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// Collects the sums of squares from which trust ratios are made, of which each rank has those of its
/// shards; the same bits on all ranks.
final class TrustRatioGather {
  private let group: LocalGroup
  private let trustRatios: TrustRatios
  private let sums: TwoLevelGather
  /// The pieces that each rank owns, bucket by bucket.
  private let piecesOfRank: [[Range<Int>]]
  /// Where each rank's numbers go.
  private let placeOfRank: [Range<Int>]
  private let placeOfGroup: BlockLayout
  private let maximumOfMember: Int

  init(_ group: LocalGroup, _ shards: ShardTable, _ trustRatios: TrustRatios) throws {
    self.group = group
    self.trustRatios = trustRatios
    sums = TwoLevelGather(group, within: .layerNorms, between: .allLayerNorms)
    let piecesOfRank = (0..<group.world.size).map { rank in
      shards.shardBlocks.map { trustRatios.pieces(inBlocks: $0[rank]) }
    }
    self.piecesOfRank = piecesOfRank
    var places: [Range<Int>] = []
    for pieces in piecesOfRank {
      let start = places.last?.upperBound ?? 0
      places.append(start..<start + 2 * pieces.reduce(0) { $0 + $1.count })
    }
    let placeOfRank = places
    self.placeOfRank = placeOfRank
    maximumOfMember = placeOfRank[group.groups.members].map(\.count).max() ?? 0
    placeOfGroup = try BlockLayout(
      counts: group.groups.ranks.map { placeOfRank[$0].reduce(0) { $0 + $1.count } })
    sums.reserve(placeOfRank.last?.upperBound ?? 0)
  }

  /// Completes the sums of all pieces, of which this rank's own are there; all ranks.
  func gather() throws {
    let members = group.groups.members
    let (own, count) = (trustRatios.sums.base, trustRatios.pieceCount)
    try sums.gatherWithinGroup(placeOfRank[members], maximum: maximumOfMember, width: 1) { start in
      var target = start
      for pieces in piecesOfRank[group.world.rank] {
        target.update(from: own + pieces.lowerBound, count: pieces.count)
        target += pieces.count
        target.update(from: own + count + pieces.lowerBound, count: pieces.count)
        target += pieces.count
      }
    }
    let first = placeOfRank[members.lowerBound].lowerBound
    let gathered = placeOfRank[members.upperBound - 1].upperBound - first
    try sums.gatherBetweenGroups(placeOfGroup) { target in
      let source = sums.numbers.base + first
      if target != source { target.update(from: source, count: gathered) }
    }
    for (rank, place) in placeOfRank.enumerated() where rank != group.world.rank {
      var source = sums.numbers.base + place.lowerBound
      for pieces in piecesOfRank[rank] {
        (own + pieces.lowerBound).update(from: source, count: pieces.count)
        source += pieces.count
        (own + count + pieces.lowerBound).update(from: source, count: pieces.count)
        source += pieces.count
      }
    }
  }
}
