// SPDX-License-Identifier: Apache-2.0

/// Where each rank's block lies in a buffer: counts and offsets (displacements), in elements.
///
/// Create it once and reuse it, so that the exchanges themselves allocate nothing.
public final class BlockLayout: @unchecked Sendable {
  // Unchecked: the pointers are private to the module, and nothing writes after `init`.

  /// The number of blocks, one per rank.
  public let ranks: Int
  /// The end of the last block: the minimum size of a buffer.
  public let extent: Int

  let counts: UnsafePointer<Int32>
  let offsets: UnsafePointer<Int32>
  private let storage: UnsafeMutablePointer<Int32>

  /// Places blocks one after another.
  ///
  /// - Parameter counts: The size of each rank's block; may be 0.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if a count is negative, or the
  ///   layout exceeds `Int32.max` elements.
  public convenience init(counts: [Int]) throws(MPIError) {
    var offsets: [Int] = []
    offsets.reserveCapacity(counts.count)
    var next = 0
    for count in counts {
      offsets.append(next)
      next = next.addingReportingOverflow(count).partialValue
    }
    try self.init(counts: counts, offsets: offsets)
  }

  /// Places blocks at given offsets; blocks of a receive buffer must not overlap.
  ///
  /// - Parameters:
  ///   - counts: The size of each rank's block; may be 0.
  ///   - offsets: The first element of each rank's block.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if the arrays differ in length, a
  ///   number is negative, or the layout exceeds `Int32.max` elements.
  public init(counts: [Int], offsets: [Int]) throws(MPIError) {
    guard counts.count == offsets.count else {
      throw Self.invalid("\(counts.count) counts but \(offsets.count) offsets")
    }
    let limit = Int(Int32.max)
    var extent = 0
    for (count, offset) in zip(counts, offsets) {
      guard (0...limit).contains(count), (0...limit).contains(offset), count + offset <= limit
      else {
        throw Self.invalid(
          "a block of \(count) elements at offset \(offset) is not within 0...\(limit)")
      }
      if count > 0 { extent = max(extent, offset + count) }
    }
    ranks = counts.count
    self.extent = extent
    storage = .allocate(capacity: 2 * counts.count)
    for (index, (count, offset)) in zip(counts, offsets).enumerated() {
      (storage + index).initialize(to: Int32(truncatingIfNeeded: count))
      (storage + counts.count + index).initialize(to: Int32(truncatingIfNeeded: offset))
    }
    self.counts = UnsafePointer(storage)
    self.offsets = UnsafePointer(storage + counts.count)
  }

  deinit { storage.deallocate() }

  /// The element range of a rank's block.
  ///
  /// - Precondition: `rank` is in `0..<ranks`.
  public subscript(rank: Int) -> Range<Int> {
    precondition((0..<ranks).contains(rank), "rank \(rank) is not in 0..<\(ranks)")
    let offset = Int(offsets[rank])
    return offset..<offset + Int(counts[rank])
  }

  private static func invalid(_ reason: String) -> MPIError {
    .invalidArgument(call: "BlockLayout", rank: LaunchEnvironment.current.rank ?? 0, reason: reason)
  }
}
