// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

/// A group of ranks that exchange messages among themselves only.
///
/// A communicator belongs to one thread. Its methods say whether all of its ranks call them, or this
/// rank alone. Errors return; MPI never ends the program by itself.
///
/// MPI 3.1, chapter 6.
public final class Communicator {
  /// This process's rank, in `0..<size`.
  public let rank: Int
  /// The number of ranks.
  public let size: Int

  let state: EnvironmentState
  private let isPredefined: Bool
  private let handle: MPI_Comm
  private var isFreed = false

  /// Takes a handle of MPI's over, and makes its errors return.
  init(taking handle: MPI_Comm, isPredefined: Bool = false, state: EnvironmentState)
    throws(MPIError)
  {
    self.handle = handle
    self.isPredefined = isPredefined
    self.state = state
    try check(
      MPI_Comm_set_errhandler(handle, clockstep_errors_return()), "MPI_Comm_set_errhandler",
      rank: state.worldRank)
    var number: Int32 = 0
    try check(MPI_Comm_rank(handle, &number), "MPI_Comm_rank", rank: state.worldRank)
    rank = Int(number)
    try check(MPI_Comm_size(handle, &number), "MPI_Comm_size", rank: state.worldRank)
    size = Int(number)
  }

  /// Frees what MPI holds for this communicator; all ranks.
  ///
  /// Nothing is freed without it: a communicator that goes out of scope on one rank must not wait for
  /// the others. MPI 3.1, section 6.4.3.
  ///
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` for the environment's own
  ///   communicators, ``MPIError/communicatorClosed(call:rank:)`` the second time.
  public func free() throws(MPIError) {
    var handle: MPI_Comm? = try live("MPI_Comm_free")
    try require(!isPredefined, "MPI_Comm_free", "the environment's communicators can't be freed")
    isFreed = true
    try check(MPI_Comm_free(&handle), "MPI_Comm_free", rank: worldRank)
  }

  /// Ends the whole job at once; this rank.
  ///
  /// `mpirun` then ends all ranks and returns `status`. MPI 3.1, section 8.7.
  public func abort(status: Int32) -> Never {
    endJob(status: status)
  }

  /// This process's rank in the world, by which errors name it.
  var worldRank: Int { state.worldRank }

  /// The handle, as long as MPI can use it.
  func live(_ call: StaticString) throws(MPIError) -> MPI_Comm {
    guard !isFreed, !state.isFinalized else {
      throw .communicatorClosed(call: "\(call)", rank: worldRank)
    }
    return handle
  }
}
