// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// The plans that merge what some owners of slices have, one for each batch size met so far.
final class MergingPlans {
  private let partition: SlicePartition
  private let owners: [Range<Int>]
  private var known: [Int: MergingPlan] = [:]

  init(_ partition: SlicePartition, owners: [Range<Int>]) {
    self.partition = partition
    self.owners = owners
  }

  func plan(batchRows: Int) -> MergingPlan {
    if let plan = known[batchRows] { return plan }
    let plan = SliceTree(partition, batchRows: batchRows).mergingPlan(owners: owners)
    known[batchRows] = plan
    return plan
  }

  /// The plan with the most items: that of a batch with rows in every slice.
  var largest: MergingPlan { plan(batchRows: partition.count) }
}
