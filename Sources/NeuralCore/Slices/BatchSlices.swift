// SPDX-License-Identifier: Apache-2.0

/// The slices of one batch that a replica computes on, and the order in which it adds them.
///
/// Made once for each batch size and kept, since a run has at most a few sizes.
public final class BatchSlices {
  /// The partition that the slices come from.
  public let partition: SlicePartition
  /// How many rows the global batch has.
  public let batchRows: Int
  /// The order of additions over this replica's slices.
  public let plan: ReductionPlan
  /// The rows of each of the plan's items, counted from the replica's first row.
  public let localRows: [Range<Int>]

  /// How many rows this replica has of the batch.
  public var rows: Int { localRows.last?.upperBound ?? 0 }
  /// The rows of the replica's largest slice.
  public var largestSlice: Int { plan.rows.max() ?? 0 }

  /// The slices of a batch of `batchRows` rows.
  public init(_ partition: SlicePartition, batchRows: Int) {
    self.partition = partition
    self.batchRows = batchRows
    plan = SliceTree(partition, batchRows: batchRows).planOfOwnSlices()
    let first = partition.ownedRows(batchRows: batchRows).lowerBound
    localRows = plan.items.map { item in
      let rows = partition.rows(of: item.lowerBound, batchRows: batchRows)
      return rows.lowerBound - first..<rows.upperBound - first
    }
  }
}
