// SPDX-License-Identifier: Apache-2.0

/// How a batch is cut into slices, and which of them one replica owns.
///
/// Slice s of V holds rows `s*B/V ..< (s+1)*B/V` of a global batch of B rows, so sizes differ by at
/// most one and slices may be empty when B < V. Everything that is added over a batch is added
/// slice by slice in one fixed tree (``SliceTree``), whoever owns the slices.
public struct SlicePartition: Hashable, Sendable {
  /// How many slices the batch is cut into: V.
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

  /// The slices that `rank` of `ranks` owns: a contiguous run, nearly equal over the ranks.
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

  /// The most rows that this replica can have of a batch of at most `batchRows` rows.
  public func rowCapacity(batchRows: Int) -> Int {
    (owned.count * batchRows + count - 1) / count
  }
}
