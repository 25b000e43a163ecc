// SPDX-License-Identifier: Apache-2.0
package import NeuralCore

/// The plans that merge what some owners of slices have, one for each batch size met so far.
package final class MergingPlans {
  private let partition: SlicePartition
  private let owners: [Range<Int>]
  private var known: [Int: MergingPlan] = [:]
  /// The plan asked for last: batches are seldom of another size than the one before.
  private var last: (batchRows: Int, plan: MergingPlan)?

  package init(_ partition: SlicePartition, owners: [Range<Int>]) {
    self.partition = partition
    self.owners = owners
  }

  package func plan(batchRows: Int) -> MergingPlan {
    if let last, last.batchRows == batchRows { return last.plan }
    let plan =
      known[batchRows] ?? SliceTree(partition, batchRows: batchRows).mergingPlan(owners: owners)
    known[batchRows] = plan
    last = (batchRows, plan)
    return plan
  }

  /// The plan with the most items: that of a batch with rows in every slice.
  package var largest: MergingPlan { plan(batchRows: partition.count) }
}
