// SPDX-License-Identifier: Apache-2.0

/// The slices of a batch, and which of them one replica owns.
///
/// A slice is a logical shard of the batch (a micro-batch) that fixes the order of sums: whatever is
/// added over a batch is added slice by slice in one fixed tree (``SliceTree``), whichever replica
/// owns which slices. Slice s of V holds rows `s*B/V ..< (s+1)*B/V` of a global batch of B rows, so
/// sizes differ by at most one, and slices may be empty when B < V.
public struct SlicePartition: Hashable, Sendable {
  /// The number of slices in a batch: V.
  public let count: Int
  /// The slices that this replica owns, possibly none.
  public let owned: Range<Int>

  /// A partition of which this replica owns some slices; they must be within `0 ..< count`.
  public init(count: Int, owned: Range<Int>) {
    precondition(count > 0, "a batch has at least one slice")
    precondition(owned.lowerBound >= 0 && owned.upperBound <= count, "slices outside the batch")
    self.count = count
    self.owned = owned
  }

  /// A partition of which this replica owns every slice.
  public init(count: Int) {
    self.init(count: count, owned: 0..<count)
  }

  /// The partition as seen by `rank` of `ranks`: contiguous slices, nearly equally many per rank.
  public init(count: Int, rank: Int, of ranks: Int) {
    self.init(count: count, owned: rank * count / ranks..<(rank + 1) * count / ranks)
  }

  /// The rows of the global batch that `slice` holds.
  public func rows(of slice: Int, batchRows: Int) -> Range<Int> {
    slice * batchRows / count..<(slice + 1) * batchRows / count
  }

  /// The rows of the global batch that this replica's slices hold together.
  public func ownedRows(batchRows: Int) -> Range<Int> {
    owned.lowerBound * batchRows / count..<owned.upperBound * batchRows / count
  }

  /// The maximum number of rows that this replica has of a batch of at most `batchRows` rows.
  public func rowCapacity(batchRows: Int) -> Int {
    (owned.count * batchRows + count - 1) / count
  }
}

/// The slices of one batch that a replica computes on, and the order in which it adds them.
///
/// Made once per batch size and kept, since a run has only a few sizes.
public final class BatchSlices {
  /// The partition that the slices come from.
  public let partition: SlicePartition
  /// The number of rows of the global batch.
  public let batchRows: Int
  /// The order of additions over this replica's slices.
  public let plan: ReductionPlan
  /// The rows of each of the plan's items, counted from the replica's first row.
  public let localRows: [Range<Int>]

  /// The row of the global batch that is this replica's first.
  public var firstRow: Int { partition.ownedRows(batchRows: batchRows).lowerBound }
  /// The number of rows that this replica has of the batch.
  public var rows: Int { localRows.last?.upperBound ?? 0 }
  /// The number of rows of the replica's largest slice.
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
