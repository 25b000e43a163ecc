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
  private let communicator: Communicator
  private var rank: Int { communicator.worldRank }

  init(_ operation: Operation, on communicator: Communicator) {
    self.operation = operation
    self.communicator = communicator
  }

  /// Returns when the communication has completed and its buffer may be used; this rank.
  ///
  /// - Throws: ``MPIError/callFailed(_:)`` if it failed, which ends it too.
  public consuming func wait() throws(MPIError) {
    guard let pending = operation else { return }
    var handle: MPI_Request? = pending.handle
    operation = nil
    do throws(MPIError) {
      try communicator.finish(&handle, pending.call)
    } catch {
      // MPI may still use the buffers of a wait that was given up.
      if case .waitAbandoned = error { _ = Unmanaged.passRetained(pending.owner) }
      throw error
    }
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
