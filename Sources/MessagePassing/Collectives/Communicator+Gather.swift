// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

extension Communicator {
  /// Collects equal blocks of all ranks on the root, in the order of ranks; all ranks.
  ///
  /// MPI 3.1, section 5.5.
  ///
  /// - Parameters:
  ///   - block: This rank's block, of the same count everywhere.
  ///   - buffer: Holds `size` blocks on `root`; elsewhere it isn't read and may be `nil`.
  ///   - root: The rank that collects, the same everywhere.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if the buffer or root doesn't fit,
  ///   ``MPIError/tooManyElements(call:rank:count:)``, or what MPI reports.
  public func gather<Element: MessageElement>(
    _ block: UnsafeBufferPointer<Element>, into buffer: UnsafeMutableBufferPointer<Element>?,
    root: Int
  ) throws(MPIError) {
    let call: StaticString = "MPI_Igather"
    let (count, to) = (try count(block.count, call), try member(root, call))
    if rank == root { try requireBlocks(buffer?.count ?? 0, of: block.count, call) }
    let type = Element.messageType.datatype
    try complete(call) { (request) throws(MPIError) in
      MPI_Igather(
        block.baseAddress, count, type, buffer?.baseAddress, count, type, to, try live(call),
        &request)
    }
    noteSent(block.count, Element.self, toPeer: root)
  }

  /// Collects blocks of different sizes on the root, where the layout says; all ranks.
  ///
  /// MPI 3.1, section 5.5.
  ///
  /// - Parameters:
  ///   - block: This rank's block.
  ///   - buffer: Holds all blocks on `root`; elsewhere it isn't read and may be `nil`.
  ///   - layout: Where each rank's block goes; the same everywhere.
  ///   - root: The rank that collects, the same everywhere.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if block, buffer, layout or root don't
  ///   fit, or what MPI reports.
  public func gather<Element: MessageElement>(
    _ block: UnsafeBufferPointer<Element>, into buffer: UnsafeMutableBufferPointer<Element>?,
    layout: BlockLayout, root: Int
  ) throws(MPIError) {
    let call: StaticString = "MPI_Igatherv"
    let (count, to) = (try count(block.count, call), try member(root, call))
    try requireLayout(layout, in: rank == root ? buffer?.count ?? 0 : layout.extent, call)
    try requireOwnBlock(block.count, layout, call)
    let type = Element.messageType.datatype
    try complete(call) { (request) throws(MPIError) in
      MPI_Igatherv(
        block.baseAddress, count, type, buffer?.baseAddress, layout.counts, layout.offsets, type,
        to, try live(call), &request)
    }
    noteSent(block.count, Element.self, toPeer: root)
  }

  /// Checks that this rank's block is as large as the layout says.
  func requireOwnBlock(_ found: Int, _ layout: BlockLayout, _ call: StaticString) throws(MPIError) {
    try require(
      found == layout[rank].count, call,
      "this rank's block holds \(found) elements, the layout's \(layout[rank].count)")
  }
}
