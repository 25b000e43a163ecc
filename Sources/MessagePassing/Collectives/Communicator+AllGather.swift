// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

extension Communicator {
  /// Collects equal blocks of all ranks on every rank, in the order of ranks; all ranks.
  ///
  /// MPI 3.1, section 5.7.
  ///
  /// - Parameters:
  ///   - block: This rank's block, of the same count everywhere.
  ///   - buffer: Holds `size` blocks.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if the buffer doesn't fit,
  ///   ``MPIError/tooManyElements(call:rank:count:)``, or what MPI reports.
  public func allGather<Element: MessageElement>(
    _ block: UnsafeBufferPointer<Element>, into buffer: UnsafeMutableBufferPointer<Element>
  ) throws(MPIError) {
    let call: StaticString = "MPI_Iallgather"
    let count = try count(block.count, call)
    try requireBlocks(buffer.count, of: block.count, call)
    let type = Element.messageType.datatype
    try complete(call) { (request) throws(MPIError) in
      MPI_Iallgather(
        block.baseAddress, count, type, buffer.baseAddress, count, type, try live(call), &request)
    }
    noteSent(block.count, Element.self, to: size - 1)
  }

  /// Completes a buffer in which each rank has filled its own block; all ranks.
  ///
  /// MPI 3.1, section 5.7.
  ///
  /// - Parameter buffer: `size` equal blocks; this rank's is the one at `rank`.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if the count can't be divided by
  ///   `size`, ``MPIError/tooManyElements(call:rank:count:)``, or what MPI reports.
  public func allGather<Element: MessageElement>(
    inPlace buffer: UnsafeMutableBufferPointer<Element>
  ) throws(MPIError) {
    let call: StaticString = "MPI_Iallgather"
    let count = try count(buffer.count / size, call)
    try requireBlocks(buffer.count, of: buffer.count / size, call)
    let type = Element.messageType.datatype
    try complete(call) { (request) throws(MPIError) in
      MPI_Iallgather(
        clockstep_in_place(), 0, type, buffer.baseAddress, count, type, try live(call), &request)
    }
    noteSent(buffer.count / size, Element.self, to: size - 1)
  }

  /// Collects blocks of different sizes on every rank, where the layout says; all ranks.
  ///
  /// MPI 3.1, section 5.7.
  ///
  /// - Parameters:
  ///   - block: This rank's block.
  ///   - buffer: Holds all blocks.
  ///   - layout: Where each rank's block goes; the same everywhere.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if block, buffer or layout don't fit, or
  ///   what MPI reports.
  public func allGather<Element: MessageElement>(
    _ block: UnsafeBufferPointer<Element>, into buffer: UnsafeMutableBufferPointer<Element>,
    layout: BlockLayout
  ) throws(MPIError) {
    let call: StaticString = "MPI_Iallgatherv"
    let count = try count(block.count, call)
    try requireLayout(layout, in: buffer.count, call)
    try requireOwnBlock(block.count, layout, call)
    let type = Element.messageType.datatype
    try complete(call) { (request) throws(MPIError) in
      MPI_Iallgatherv(
        block.baseAddress, count, type, buffer.baseAddress, layout.counts, layout.offsets, type,
        try live(call), &request)
    }
    noteSent(block.count, Element.self, to: size - 1)
  }

  /// Completes a buffer in which each rank has filled its block of the layout; all ranks.
  ///
  /// MPI 3.1, section 5.7.
  ///
  /// - Parameters:
  ///   - buffer: All blocks; this rank's is the layout's at `rank`.
  ///   - layout: Where each rank's block lies; the same everywhere.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if the layout doesn't fit, or what MPI
  ///   reports.
  public func allGather<Element: MessageElement>(
    inPlace buffer: UnsafeMutableBufferPointer<Element>, layout: BlockLayout
  ) throws(MPIError) {
    let call: StaticString = "MPI_Iallgatherv"
    try requireLayout(layout, in: buffer.count, call)
    let type = Element.messageType.datatype
    try complete(call) { (request) throws(MPIError) in
      MPI_Iallgatherv(
        clockstep_in_place(), 0, type, buffer.baseAddress, layout.counts, layout.offsets, type,
        try live(call), &request)
    }
    noteSent(layout[rank].count, Element.self, to: size - 1)
  }
}
