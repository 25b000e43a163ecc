// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// The plans that finish the slice tree over all ranks, one for each batch size met so far.
final class FinishingPlans {
  private let partition: SlicePartition
  private let owners: [Range<Int>]
  private var known: [Int: FinishingPlan] = [:]

  init(_ partition: SlicePartition, owners: [Range<Int>]) {
    self.partition = partition
    self.owners = owners
  }

  func plan(batchRows: Int) -> FinishingPlan {
    if let plan = known[batchRows] { return plan }
    let plan = SliceTree(partition, batchRows: batchRows).finishingPlan(owners: owners)
    known[batchRows] = plan
    return plan
  }
}
