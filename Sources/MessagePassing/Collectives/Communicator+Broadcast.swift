// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

extension Communicator {
  /// Returns when all ranks have called it; all ranks.
  ///
  /// MPI 3.1, section 5.3.
  ///
  /// - Throws: What MPI reports, or ``MPIError/communicatorClosed(call:rank:)``.
  public func barrier() throws(MPIError) {
    let call: StaticString = "MPI_Ibarrier"
    try complete(call) { (request) throws(MPIError) in MPI_Ibarrier(try live(call), &request) }
  }

  /// Copies the root's buffer to all ranks; all ranks, with equal counts.
  ///
  /// MPI 3.1, section 5.4.
  ///
  /// - Parameters:
  ///   - buffer: Read on `root`, overwritten elsewhere.
  ///   - root: The rank that has the data, the same everywhere.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` for a root that doesn't exist,
  ///   ``MPIError/tooManyElements(call:rank:count:)``, or what MPI reports.
  public func broadcast<Element: MessageElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, root: Int
  ) throws(MPIError) {
    let call: StaticString = "MPI_Ibcast"
    let (count, root) = (try count(buffer.count, call), try member(root, call))
    try complete(call) { (request) throws(MPIError) in
      MPI_Ibcast(
        buffer.baseAddress, count, Element.messageType.datatype, root, try live(call), &request)
    }
    noteSent(buffer.count, Element.self, to: rank == Int(root) ? size - 1 : 0)
  }
}
