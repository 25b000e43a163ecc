// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

extension Communicator {
  /// Sends one equal block to each rank and receives one from each; all ranks.
  ///
  /// Block `r` of `blocks` goes to rank `r`; block `r` of `buffer` comes from it. MPI 3.1, section 5.8.
  ///
  /// - Parameters:
  ///   - blocks: `size` equal blocks, of the same count everywhere.
  ///   - buffer: As large as `blocks`, and apart from it.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if the buffers don't fit,
  ///   ``MPIError/tooManyElements(call:rank:count:)``, or what MPI reports.
  public func allToAll<Element: MessageElement>(
    _ blocks: UnsafeBufferPointer<Element>, into buffer: UnsafeMutableBufferPointer<Element>
  ) throws(MPIError) {
    let call: StaticString = "MPI_Ialltoall"
    let count = try count(blocks.count / size, call)
    try requireBlocks(blocks.count, of: blocks.count / size, call)
    try requireBlocks(buffer.count, of: blocks.count / size, call)
    let type = Element.messageType.datatype
    try complete(call) { (request) throws(MPIError) in
      MPI_Ialltoall(
        blocks.baseAddress, count, type, buffer.baseAddress, count, type, try live(call), &request)
    }
    noteSent(blocks.count / size, Element.self, to: size - 1)
  }

  /// Sends a block of any size to each rank and receives one from each; all ranks.
  ///
  /// What rank `a` sends to `b` is as large as what `b` expects from `a`. MPI 3.1, section 5.8.
  ///
  /// - Parameters:
  ///   - blocks: The blocks to send.
  ///   - sendLayout: Where the block for each rank lies in `blocks`.
  ///   - buffer: Where blocks arrive, apart from `blocks`.
  ///   - receiveLayout: Where the block of each rank goes in `buffer`.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if a layout doesn't fit, or what MPI
  ///   reports.
  public func allToAll<Element: MessageElement>(
    _ blocks: UnsafeBufferPointer<Element>, layout sendLayout: BlockLayout,
    into buffer: UnsafeMutableBufferPointer<Element>, layout receiveLayout: BlockLayout
  ) throws(MPIError) {
    let call: StaticString = "MPI_Ialltoallv"
    try requireLayout(sendLayout, in: blocks.count, call)
    try requireLayout(receiveLayout, in: buffer.count, call)
    let (own, expected) = (sendLayout[rank].count, receiveLayout[rank].count)
    try require(own == expected, call, "this rank sends itself \(own) and expects \(expected)")
    let type = Element.messageType.datatype
    try complete(call) { (request) throws(MPIError) in
      MPI_Ialltoallv(
        blocks.baseAddress, sendLayout.counts, sendLayout.offsets, type,
        buffer.baseAddress, receiveLayout.counts, receiveLayout.offsets, type, try live(call),
        &request)
    }
    for peer in 0..<size { noteSent(sendLayout[peer].count, Element.self, toPeer: peer) }
  }
}
