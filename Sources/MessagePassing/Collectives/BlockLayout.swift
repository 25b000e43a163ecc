// SPDX-License-Identifier: Apache-2.0

/// Where the block of each rank lies in a buffer: counts and offsets in elements.
///
/// It is made once and used for many exchanges, which then allocate nothing.
public final class BlockLayout: @unchecked Sendable {
  // Unchecked: the pointers are private to the module, and nothing writes after `init`.

  /// The number of blocks, one a rank.
  public let ranks: Int
  /// One past the last element of any block.
  public let extent: Int

  let counts: UnsafePointer<Int32>
  let offsets: UnsafePointer<Int32>
  private let storage: UnsafeMutablePointer<Int32>

  /// Lays blocks out one after another.
  ///
  /// - Parameter counts: The size of each rank's block; 0 is allowed.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if a count is negative, or the blocks
  ///   reach beyond what MPI can count.
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

  /// Lays blocks out where `offsets` says; the blocks must not overlap where they are received.
  ///
  /// - Parameters:
  ///   - counts: The size of each rank's block; 0 is allowed.
  ///   - offsets: The first element of each rank's block.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if the lists differ in length, a number
  ///   is negative, or the blocks reach beyond what MPI can count.
  public init(counts: [Int], offsets: [Int]) throws(MPIError) {
    guard counts.count == offsets.count else {
      throw Self.invalid("\(counts.count) counts with \(offsets.count) offsets")
    }
    let limit = Int(Int32.max)
    var extent = 0
    for (count, offset) in zip(counts, offsets) {
      guard (0...limit).contains(count), (0...limit).contains(offset), count + offset <= limit
      else {
        throw Self.invalid("a block of \(count) elements at \(offset) is not in 0...\(limit)")
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

  /// The elements of a rank's block.
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
