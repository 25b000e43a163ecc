// SPDX-License-Identifier: Apache-2.0

/// The one binary tree in which partial results of a batch's slices are added.
///
/// Its nodes are dyadic blocks of slices `[k * 2^j, (k + 1) * 2^j)`, cut off at the number of
/// slices. A node is left + right, or the one child that has rows: slices without rows are absent,
/// not zero. The tree depends on the batch alone, never on who owns which slices, so sums have the
/// same bits on any number of ranks.
public struct SliceTree: Sendable {
  private let partition: SlicePartition
  private let batchRows: Int

  /// The tree over the slices of a batch of `batchRows` rows.
  public init(_ partition: SlicePartition, batchRows: Int) {
    self.partition = partition
    self.batchRows = batchRows
  }

  /// Whether `slice` holds rows.
  private func isPresent(_ slice: Int) -> Bool {
    !partition.rows(of: slice, batchRows: batchRows).isEmpty
  }

  private var rootSize: Int {
    var size = 1
    while size < partition.count { size *= 2 }
    return size
  }

  /// The merges that one replica can do alone: over its own slices, up to its canonical cover.
  ///
  /// The plan's items are the replica's slices that hold rows; the nodes it leaves are the largest
  /// blocks whose rows are all the replica's.
  public func planOfOwnSlices() -> ReductionPlan {
    var plan = ReductionPlan()
    _ = addOwnBlock(0, rootSize, to: &plan)
    plan.finish()
    return plan
  }

  private func addOwnBlock(
    _ lower: Int, _ size: Int, to plan: inout ReductionPlan
  ) -> (present: Bool, owned: Bool) {
    guard lower < partition.count else { return (false, true) }
    guard size > 1 else {
      guard isPresent(lower) else { return (false, true) }
      let owned = partition.owned.contains(lower)
      if owned {
        plan.append(lower..<lower + 1, rows: rows(of: lower..<lower + 1))
      }
      return (true, owned)
    }
    let left = addOwnBlock(lower, size / 2, to: &plan)
    let right = addOwnBlock(lower + size / 2, size / 2, to: &plan)
    let owned = left.owned && right.owned
    if owned && left.present && right.present { plan.mergeLastTwo() }
    return (left.present || right.present, owned)
  }

  /// The merges that finish the tree once every replica has done its own.
  ///
  /// The plan's items are the nodes that the replicas' own plans leave, in slice order, which is
  /// the order of ranks; `owners` are the slices of each rank in rank order.
  public func finishingPlan(owners: [Range<Int>]) -> FinishingPlan {
    var plan = ReductionPlan()
    var ranks: [Int] = []
    addSharedBlock(0, rootSize, owners, &plan, &ranks)
    plan.finish()
    return FinishingPlan(plan: plan, rankOfItem: ranks, ranks: owners.count)
  }

  private func addSharedBlock(
    _ lower: Int, _ size: Int, _ owners: [Range<Int>], _ plan: inout ReductionPlan,
    _ ranks: inout [Int]
  ) {
    let block = lower..<Swift.min(lower + size, partition.count)
    guard let first = block.first(where: isPresent), let last = block.last(where: isPresent) else {
      return
    }
    let owner = owners.firstIndex { $0.contains(first) }
    if let owner, owner == owners.firstIndex(where: { $0.contains(last) }) {
      plan.append(block, rows: rows(of: block))
      ranks.append(owner)
      return
    }
    let before = plan.items.count
    addSharedBlock(lower, size / 2, owners, &plan, &ranks)
    let between = plan.items.count
    if lower + size / 2 < partition.count {
      addSharedBlock(lower + size / 2, size / 2, owners, &plan, &ranks)
    }
    if between > before && plan.items.count > between { plan.mergeLastTwo() }
  }

  private func rows(of block: Range<Int>) -> Int {
    block.reduce(0) { $0 + partition.rows(of: $1, batchRows: batchRows).count }
  }
}
