// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

/// The checks at the door: what passes them can't make MPI read or write past a buffer.
extension Communicator {
  func invalid(_ call: StaticString, _ reason: String) -> MPIError {
    .invalidArgument(call: "\(call)", rank: worldRank, reason: reason)
  }

  @inline(__always)
  func require(_ holds: Bool, _ call: StaticString, _ reason: @autoclosure () -> String)
    throws(MPIError)
  {
    guard holds else { throw invalid(call, reason()) }
  }

  /// A number of elements as MPI takes it.
  func count(_ count: Int, _ call: StaticString) throws(MPIError) -> Int32 {
    guard let short = Int32(exactly: count) else {
      throw .tooManyElements(call: "\(call)", rank: worldRank, count: count)
    }
    return short
  }

  /// A rank of this communicator as MPI takes it.
  func member(_ peer: Int, _ call: StaticString) throws(MPIError) -> Int32 {
    try require((0..<size).contains(peer), call, "rank \(peer) is not in 0..<\(size)")
    return Int32(truncatingIfNeeded: peer)
  }

  /// A tag as MPI takes it.
  func tag(_ tag: Int, _ call: StaticString) throws(MPIError) -> Int32 {
    let greatest = state.greatestTag
    try require((0...greatest).contains(tag), call, "tag \(tag) is not in 0...\(greatest)")
    return Int32(truncatingIfNeeded: tag)
  }

  /// Checks that a buffer has one equal block for each rank.
  func requireBlocks(_ found: Int, of block: Int, _ call: StaticString) throws(MPIError) {
    let (expected, overflow) = block.multipliedReportingOverflow(by: size)
    try require(
      !overflow && found == expected, call,
      "the buffer holds \(found) elements, not \(size) ranks times \(block)")
  }

  /// Checks that a layout has a block for each rank, and lies inside a buffer.
  func requireLayout(_ layout: BlockLayout, in found: Int, _ call: StaticString) throws(MPIError) {
    try require(
      layout.ranks == size, call, "the layout has \(layout.ranks) blocks for \(size) ranks")
    try require(
      layout.extent <= found, call,
      "the layout reaches to element \(layout.extent) of a buffer of \(found)")
  }
}
