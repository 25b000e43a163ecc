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
    mergingPlan(owners: partition.owned.map { $0..<$0 + 1 }).plan
  }

  /// The merges that can be done once every owner has done its own.
  ///
  /// The plan's items are the nodes that the owners' own plans leave, in slice order. The nodes it
  /// leaves are the canonical cover of all owners' slices together: the root alone if they own all.
  ///
  /// - Parameter owners: the slices of each owner, ascending; owners without slices are allowed.
  public func mergingPlan(owners: [Range<Int>]) -> MergingPlan {
    var found = Findings()
    _ = addBlock(0, rootSize, owners, &found)
    return MergingPlan(
      plan: ReductionPlan(items: found.items, rows: found.rows, mergesAfter: found.mergesAfter),
      ownerOfItem: found.owners, owners: owners.count)
  }

  /// The items met so far, their rows and owners, and the merges that follow each.
  private struct Findings {
    var items: [Range<Int>] = []
    var rows: [Int] = []
    var mergesAfter: [Int] = []
    var owners: [Int] = []

    mutating func append(_ block: Range<Int>, rows count: Int, owner: Int) {
      items.append(block)
      rows.append(count)
      mergesAfter.append(0)
      owners.append(owner)
    }

    mutating func mergeLastTwo() {
      mergesAfter[mergesAfter.count - 1] += 1
    }
  }

  /// What the owners have of a block of slices.
  private enum Share { case absent, part, all }

  private func addBlock(
    _ lower: Int, _ size: Int, _ owners: [Range<Int>], _ found: inout Findings
  ) -> Share {
    let block = lower..<Swift.max(Swift.min(lower + size, partition.count), lower)
    guard let first = block.first(where: isPresent), let last = block.last(where: isPresent) else {
      return .absent
    }
    if let owner = owner(of: first, and: last, owners) {
      found.append(first..<last + 1, rows: rows(of: block), owner: owner)
      return .all
    }
    guard size > 1 else { return .part }
    let left = addBlock(lower, size / 2, owners, &found)
    let right = addBlock(lower + size / 2, size / 2, owners, &found)
    if left == .all && right == .all { found.mergeLastTwo() }
    return left == .part || right == .part ? .part : .all
  }

  /// The owner of two slices; nil if they have different ones, or none.
  private func owner(of first: Int, and last: Int, _ owners: [Range<Int>]) -> Int? {
    var (low, high) = (0, owners.count)
    while low < high {
      let middle = (low + high) / 2
      if owners[middle].upperBound <= first { low = middle + 1 } else { high = middle }
    }
    guard low < owners.count, owners[low].contains(first), owners[low].contains(last) else {
      return nil
    }
    return low
  }

  private func rows(of block: Range<Int>) -> Int {
    block.reduce(0) { $0 + partition.rows(of: $1, batchRows: batchRows).count }
  }
}
