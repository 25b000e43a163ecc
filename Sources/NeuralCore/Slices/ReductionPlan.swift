// SPDX-License-Identifier: Apache-2.0

/// A piece of the slice tree as a program for a stack: push an item, then merge the top pairs.
///
/// Run it so: for each item in order, push its partial result; then `mergesAfter` times replace
/// the two topmost results by their merge (the lower one is the left child). What is left on the
/// stack, from the bottom, are the nodes.
public final class ReductionPlan: Sendable {
  /// The blocks of slices whose partial results are pushed, in slice order.
  public let items: [Range<Int>]
  /// How many rows each item stands for.
  public let rows: [Int]
  /// How many merges follow each item.
  public let mergesAfter: [Int]
  /// The rows of the nodes that are left at the end, from the bottom of the stack.
  public let nodeRows: [Int]
  /// The greatest number of results on the stack at any time.
  public let depth: Int

  /// How many nodes are left at the end.
  public var nodes: Int { nodeRows.count }

  init(items: [Range<Int>], rows: [Int], mergesAfter: [Int]) {
    self.items = items
    self.rows = rows
    self.mergesAfter = mergesAfter
    var stack: [Int] = []
    var depth = 0
    for (itemRows, merges) in zip(rows, mergesAfter) {
      stack.append(itemRows)
      depth = Swift.max(depth, stack.count)
      for _ in 0..<merges {
        let right = stack.removeLast()
        stack[stack.count - 1] += right
      }
    }
    nodeRows = stack
    self.depth = depth
  }
}

/// The merges over the nodes of several owners, and which owner brings which item.
public final class MergingPlan: Sendable {
  /// The merges.
  public let plan: ReductionPlan
  /// The owner that brings each item, in item order.
  public let ownerOfItem: [Int]
  /// The items that each owner brings.
  public let itemsOfOwner: [Range<Int>]
  /// The items of the owner that brings most.
  public let mostItems: Int

  init(plan: ReductionPlan, ownerOfItem: [Int], owners: Int) {
    self.plan = plan
    self.ownerOfItem = ownerOfItem
    var counts = Array(repeating: 0, count: owners)
    for owner in ownerOfItem { counts[owner] += 1 }
    var ranges: [Range<Int>] = []
    var next = 0
    for count in counts {
      ranges.append(next..<next + count)
      next += count
    }
    itemsOfOwner = ranges
    mostItems = ranges.map(\.count).max() ?? 0
  }
}
