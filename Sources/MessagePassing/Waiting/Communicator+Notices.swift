// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

/// Notices: numbers that are sent without waiting, to ranks that may have died, and taken if they have come.
extension Communicator {
  /// Sends a number to a rank and never waits, nor learns whether it arrived; this rank.
  ///
  /// Each notice keeps 8 bytes for good, since MPI may read them at any later time: it is meant for
  /// rare events. MPI 3.1, section 3.7.3.
  ///
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` for a rank that doesn't exist, or what
  ///   MPI reports.
  public func postNotice(_ number: Int, to destination: Int) throws(MPIError) {
    let call: StaticString = "MPI_Isend"
    let peer = try member(destination, call)
    let message = UnsafeMutablePointer<Int>.allocate(capacity: 1)
    message.initialize(to: number)
    var request: MPI_Request?
    try check(
      MPI_Isend(message, 1, Int.messageType.datatype, peer, 0, live(call), &request), call,
      rank: worldRank)
    noteSent(1, Int.self, toPeer: destination)
    try check(MPI_Request_free(&request), "MPI_Request_free", rank: worldRank)
  }

  /// Takes a notice that has come, from any rank, and never waits; this rank.
  ///
  /// The communicator must carry notices alone. MPI 3.1, section 3.8.1.
  ///
  /// - Returns: The sender and its number, `nil` if none has come.
  /// - Throws: What MPI reports.
  public func takeNotice() throws(MPIError) -> (source: Int, number: Int)? {
    let call: StaticString = "MPI_Iprobe"
    var (status, found) = (MPI_Status(), Int32(0))
    try check(
      MPI_Iprobe(clockstep_any_source, 0, live(call), &found, &status), call, rank: worldRank)
    guard found != 0 else { return nil }
    var number = 0
    // It is here already, so this doesn't wait.
    try check(
      MPI_Recv(
        &number, 1, Int.messageType.datatype, status.MPI_SOURCE, 0, live("MPI_Recv"), &status),
      "MPI_Recv", rank: worldRank)
    return (Int(status.MPI_SOURCE), number)
  }
}
