// SPDX-License-Identifier: Apache-2.0

/// The one binary tree in which partial results of a batch's slices are added.
///
/// Its subtrees are dyadic blocks of slices `[k * 2^j, (k + 1) * 2^j)`, cut off at the number of
/// slices. The partial result of a block is left + right, or that of the one child that has rows:
/// slices without rows are absent, not zero. The tree depends on the batch alone, never on which
/// replica owns which slices, so sums have the same bits on any number of ranks.
public struct SliceTree: Sendable {
  private let partition: SlicePartition
  private let batchRows: Int

  /// The tree over the slices of a batch of `batchRows` rows.
  public init(_ partition: SlicePartition, batchRows: Int) {
    self.partition = partition
    self.batchRows = batchRows
  }

  /// The merges that one replica can do alone: over its own slices, up to its canonical cover.
  ///
  /// The plan's items are the replica's slices that hold rows; its results are those of the largest
  /// blocks whose rows are all the replica's.
  public func planOfOwnSlices() -> ReductionPlan {
    mergingPlan(owners: partition.owned.map { $0..<$0 + 1 }).plan
  }

  /// The merges that can be done once every owner has done its own.
  ///
  /// The plan's items are the results of the owners' own plans, in slice order. Its results are the
  /// canonical cover of all owners' slices together: the root alone if they own all.
  ///
  /// - Parameter owners: the slices of each owner, ascending; owners without slices are allowed.
  public func mergingPlan(owners: [Range<Int>]) -> MergingPlan {
    var builder = ReductionPlan.Builder()
    var itemsPerOwner = Array(repeating: 0, count: owners.count)
    var rootSize = 1
    while rootSize < partition.count { rootSize *= 2 }
    _ = addBlock(0, rootSize, owners, &builder, &itemsPerOwner)
    return MergingPlan(plan: builder.finish(), itemsPerOwner: itemsPerOwner)
  }

  /// What the owners have of a block of slices.
  private enum Share { case absent, part, all }

  private func addBlock(
    _ lower: Int, _ size: Int, _ owners: [Range<Int>], _ builder: inout ReductionPlan.Builder,
    _ itemsPerOwner: inout [Int]
  ) -> Share {
    let block = lower..<Swift.max(Swift.min(lower + size, partition.count), lower)
    guard let first = block.first(where: hasRows), let last = block.last(where: hasRows) else {
      return .absent
    }
    if let owner = owner(of: first, and: last, owners) {
      builder.push(first..<last + 1, rows: rows(of: block))
      itemsPerOwner[owner] += 1
      return .all
    }
    guard size > 1 else { return .part }
    let left = addBlock(lower, size / 2, owners, &builder, &itemsPerOwner)
    let right = addBlock(lower + size / 2, size / 2, owners, &builder, &itemsPerOwner)
    if left == .all && right == .all { builder.mergeTopTwo() }
    return left == .part || right == .part ? .part : .all
  }

  private func hasRows(_ slice: Int) -> Bool {
    !partition.rows(of: slice, batchRows: batchRows).isEmpty
  }

  private func rows(of block: Range<Int>) -> Int {
    block.reduce(0) { $0 + partition.rows(of: $1, batchRows: batchRows).count }
  }

  /// The owner of two slices; nil if they have different owners, or none.
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
}

/// A part of the slice tree as a program for a stack: push an item, or merge the topmost two.
///
/// ``run(push:merge:)`` executes it, whatever the partial results are: rows of Float64 numbers,
/// gradients of one layer, or shards of a bucket. What is left on the stack, from the bottom, are the
/// plan's results.
public final class ReductionPlan: Sendable {
  /// The blocks of slices whose partial results are pushed, in slice order.
  public let items: [Range<Int>]
  /// The number of batch rows in each item.
  public let rows: [Int]
  /// The number of batch rows in each result, from the bottom of the stack.
  public let resultRows: [Int]
  /// The maximum number of partial results on the stack at any time.
  public let depth: Int
  /// The number of results.
  public var resultCount: Int { resultRows.count }

  private let mergesAfterItem: [Int]
  private let merges: [Merge]

  /// One merge of the two topmost partial results.
  public struct Merge: Sendable {
    /// The position of the left one, counted from the bottom of the stack; the right one is above it.
    public let position: Int
    /// The number of batch rows in the left one.
    public let leftRows: Int
    /// The number of batch rows in the right one.
    public let rightRows: Int
    /// Whether the merged one is a result of the plan: the one at the same position.
    public fileprivate(set) var isResult = false
  }

  fileprivate init(
    items: [Range<Int>], rows: [Int], mergesAfterItem: [Int], merges: [Merge], resultRows: [Int],
    depth: Int
  ) {
    self.items = items
    self.rows = rows
    self.mergesAfterItem = mergesAfterItem
    self.merges = merges
    self.resultRows = resultRows
    self.depth = depth
  }

  /// Runs the plan; nothing else interprets it.
  ///
  /// - Parameters:
  ///   - push: puts the partial result of an item at a position of the stack, counted from the bottom.
  ///   - merge: replaces the partial result at the merge's position with its merge with the one above.
  public func run(
    push: (_ item: Int, _ position: Int) throws -> Void, merge: (Merge) throws -> Void
  ) rethrows {
    var (height, next) = (0, 0)
    for item in 0..<mergesAfterItem.count {
      try push(item, height)
      for _ in 0..<mergesAfterItem[item] {
        try merge(merges[next])
        next &+= 1
      }
      height &+= 1 &- mergesAfterItem[item]
    }
  }

  /// Builds a plan step by step.
  fileprivate struct Builder {
    private var items: [Range<Int>] = []
    private var rows: [Int] = []
    private var mergesAfterItem: [Int] = []
    private var merges: [Merge] = []
    /// The rows of each partial result on the stack, and the merge that it comes from.
    private var stack: [(rows: Int, merge: Int?)] = []
    private var depth = 0

    mutating func push(_ block: Range<Int>, rows count: Int) {
      items.append(block)
      rows.append(count)
      mergesAfterItem.append(0)
      stack.append((count, nil))
      depth = Swift.max(depth, stack.count)
    }

    mutating func mergeTopTwo() {
      let right = stack.removeLast()
      let left = stack.removeLast()
      mergesAfterItem[mergesAfterItem.count - 1] += 1
      stack.append((left.rows + right.rows, merges.count))
      merges.append(
        Merge(position: stack.count - 1, leftRows: left.rows, rightRows: right.rows))
    }

    consuming func finish() -> ReductionPlan {
      for merge in stack.compactMap(\.merge) { merges[merge].isResult = true }
      return ReductionPlan(
        items: items, rows: rows, mergesAfterItem: mergesAfterItem, merges: merges,
        resultRows: stack.map(\.rows), depth: depth)
    }
  }
}

/// The merges over the partial results of several owners, and which owner contributes which items.
public final class MergingPlan: Sendable {
  /// The merges.
  public let plan: ReductionPlan
  /// The items that each owner contributes.
  public let itemsOfOwner: [Range<Int>]
  /// The maximum number of items that one owner contributes.
  public let maximumItems: Int

  fileprivate init(plan: ReductionPlan, itemsPerOwner: [Int]) {
    self.plan = plan
    var ranges: [Range<Int>] = []
    for count in itemsPerOwner {
      let start = ranges.last?.upperBound ?? 0
      ranges.append(start..<start + count)
    }
    itemsOfOwner = ranges
    maximumItems = itemsPerOwner.max() ?? 0
  }
}
