// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// The norm of the whole gradient, of which each rank has its shards; the same bits on all ranks.
///
/// Each owner adds up the squares of its blocks, and every rank adds up the blocks in their order.
/// The sums that an update carries travel in the same message.
final class GradientNorm {
  private let group: LocalGroup
  private let shards: ShardTable
  private let plans: MergingPlans
  private let gather: TwoLevelGather
  /// The sum of squares of each block.
  private let blockSums: AlignedBuffer<Double>
  /// The blocks of each rank, bucket by bucket.
  private let blocksOfRank: [[Int]]
  private var layouts: [Int: Layout] = [:]

  /// - Parameter plans: those that merge what all ranks have; their owners are the ranks.
  init(_ group: LocalGroup, _ shards: ShardTable, _ plans: MergingPlans) {
    self.group = group
    self.shards = shards
    self.plans = plans
    gather = TwoLevelGather(group, within: .norm, between: .wholeNorm)
    blocksOfRank = (0..<group.world.size).map { rank in
      shards.shardBlocks.flatMap { Array($0[rank]) }
    }
    blockSums = AlignedBuffer(count: shards.blocks.count)
  }

  /// Adds up the squares of this rank's shard of a bucket, which is final in `gradients`.
  func add(bucket: Int, of gradients: UnsafePointer<Float>) {
    for block in shards.shardBlocks[bucket][group.world.rank] {
      let range = shards.blocks.range(block)
      blockSums.base[block] = Reductions.sumOfSquares(gradients + range.lowerBound, range.count)
    }
  }

  /// The norm, once this rank's shards of all buckets are added; all ranks.
  ///
  /// - Parameter sums: are merged into `sums.whole`.
  func norm(merging sums: SliceSums) throws -> Double {
    let layout = try layout(width: sums.width)
    let members = group.groups.members
    gather.reserve(layout.count)
    try gather.gatherWithinGroup(
      layout.ofRank[members], maximum: layout.maximumOfMember, width: 1
    ) { own in
      let blocks = blocksOfRank[group.world.rank]
      for (index, block) in blocks.enumerated() { own[index] = blockSums.base[block] }
      sums.mergeOwn(into: own + blocks.count)
    }
    let first = layout.ofRank[members.lowerBound].lowerBound
    let count = layout.ofRank[members.upperBound - 1].upperBound - first
    try gather.gatherBetweenGroups(layout.ofGroup) { target in
      let source = gather.numbers.base + first
      if target != source { target.update(from: source, count: count) }
    }
    return finish(layout, sums)
  }

  /// Merges the sums of all ranks, and returns the square root of the sum of all blocks.
  private func finish(_ layout: Layout, _ sums: SliceSums) -> Double {
    let (plan, width) = (plans.plan(batchRows: sums.slices.batchRows), sums.width)
    for (rank, blocks) in blocksOfRank.enumerated() {
      let source = gather.numbers.base + layout.ofRank[rank].lowerBound
      for (index, block) in blocks.enumerated() { blockSums.base[block] = source[index] }
      let items = plan.itemsOfOwner[rank]
      (layout.rows.base + items.lowerBound * width).update(
        from: source + blocks.count, count: items.count * width)
    }
    sums.merge(layout.rows.base, as: plan.plan)
    sums.whole.base.update(from: layout.rows.base + sums.resultRow(0) * width, count: width)
    return Reductions.sum(blockSums.base, blockSums.count).squareRoot()
  }

  /// Where each rank's numbers go: its block sums, then its partial results of the other sums.
  private final class Layout {
    let ofRank: [Range<Int>]
    let ofGroup: BlockLayout
    /// The maximum count of numbers of one member of this rank's group.
    let maximumOfMember: Int
    /// The partial results of all ranks.
    let rows: AlignedBuffer<Double>
    var count: Int { ofRank.last?.upperBound ?? 0 }

    init(_ blocks: [[Int]], _ largest: MergingPlan, width: Int, _ groups: LocalGroups) throws {
      var ranges: [Range<Int>] = []
      for (blocks, items) in zip(blocks, largest.itemsOfOwner) {
        let start = ranges.last?.upperBound ?? 0
        ranges.append(start..<start + blocks.count + items.count * width)
      }
      let ofRank = ranges
      self.ofRank = ofRank
      maximumOfMember = ofRank[groups.members].map(\.count).max() ?? 0
      ofGroup = try BlockLayout(
        counts: groups.ranks.map { ofRank[$0].reduce(0) { $0 + $1.count } })
      rows = AlignedBuffer(count: largest.plan.items.count * width)
    }
  }

  /// The layout for sums of a width; made once for each.
  private func layout(width: Int) throws -> Layout {
    if let known = layouts[width] { return known }
    let made = try Layout(blocksOfRank, plans.largest, width: width, group.groups)
    layouts[width] = made
    return made
  }
}
