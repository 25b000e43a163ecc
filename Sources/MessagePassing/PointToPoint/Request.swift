// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

/// One communication in flight, which someone has to wait for.
///
/// The request keeps its buffer's owner alive. One that is dropped before it has completed ends the
/// job and says which it was: waiting could hang, and freeing would let MPI write into memory that
/// belongs to something else by then. This holds when an error leaves the scope, too.
///
/// MPI 3.1, section 3.7.
public struct Request: ~Copyable {
  private var operation: Operation?
  private let rank: Int

  init(_ operation: Operation, rank: Int) {
    self.operation = operation
    self.rank = rank
  }

  /// Returns when the communication has completed and its buffer may be used; this rank.
  ///
  /// - Throws: ``MPIError/callFailed(_:)`` if it failed, which ends it too.
  public consuming func wait() throws(MPIError) {
    guard let pending = operation else { return }
    var handle: MPI_Request? = pending.handle
    let code = MPI_Wait(&handle, clockstep_status_ignore())
    operation = nil
    try check(code, pending.call, rank: rank)
  }

  /// Returns whether the communication has completed, and never waits; this rank.
  ///
  /// - Throws: ``MPIError/callFailed(_:)`` if it failed, which ends it too.
  public mutating func test() throws(MPIError) -> Bool {
    guard let pending = operation else { return true }
    var handle: MPI_Request? = pending.handle
    var completed: Int32 = 0
    let code = MPI_Test(&handle, &completed, clockstep_status_ignore())
    guard code != clockstep_success || completed != 0 else { return false }
    operation = nil
    try check(code, pending.call, rank: rank)
    return true
  }

  deinit {
    if let operation { endJob(dropping: operation.summary, rank: rank) }
  }
}
