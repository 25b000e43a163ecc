// SPDX-License-Identifier: Apache-2.0
public import Failures

/// What went wrong between this rank and MPI.
///
/// An error is this rank's own: the other ranks of a collective may still be waiting for it. Unless
/// all ranks are known to have failed alike, report it and end the job with
/// ``Communicator/abort(status:)``.
public enum MPIError: Error, Equatable, Sendable {
  /// An MPI function returned an error code.
  case callFailed(MPIFailure)
  /// A call was refused before it reached MPI; `reason` says what was expected and what was found.
  case invalidArgument(call: String, rank: Int, reason: String)
  /// MPI counts elements in 32 bits, and a message has `count` of them.
  case tooManyElements(call: String, rank: Int, count: Int)
  /// A communicator was used after it was freed, or after MPI was finalized.
  case communicatorClosed(call: String, rank: Int)
  /// A request group has no room for another request.
  case groupFull(capacity: Int, rank: Int)
  /// The observer of long waits gave this wait up, because of `reason`.
  case waitAbandoned(reason: String)
  /// The ranks of a machine can't share `bytes` bytes of memory, because of `reason`.
  case sharedMemoryUnavailable(bytes: Int, reason: String)
  /// MPI is already initialized in this process.
  case alreadyInitialized
  /// MPI was finalized in this process, and can't be initialized again.
  case alreadyFinalized
  /// MPI can't be called from threads as asked.
  case threadLevelInsufficient(asked: ThreadLevel, granted: ThreadLevel)
  /// The launcher started `expected` processes, and MPI joined only `found` of them.
  case wrongLauncher(variable: String, expected: Int, found: Int)
}

extension MPIError: CommunicationError {
  public var exitStatus: ExitStatus {
    switch self {
    case .callFailed, .waitAbandoned: .lostPeer
    case .sharedMemoryUnavailable, .threadLevelInsufficient, .wrongLauncher: .unavailable
    case .invalidArgument, .tooManyElements, .communicatorClosed, .groupFull, .alreadyInitialized,
      .alreadyFinalized:
      .internalError
    }
  }

  /// The error in one sentence.
  public var description: String {
    switch self {
    case .callFailed(let failure):
      failure.description
    case .invalidArgument(let call, let rank, let reason):
      "\(call) on rank \(rank): \(reason)"
    case .tooManyElements(let call, let rank, let count):
      "\(call) on rank \(rank): \(count) elements are more than the \(Int32.max) of one message"
    case .communicatorClosed(let call, let rank):
      "\(call) on rank \(rank): the communicator was freed, or MPI finalized"
    case .groupFull(let capacity, let rank):
      "the request group on rank \(rank) is full: all of its \(capacity) requests are in flight"
    case .waitAbandoned(let reason):
      reason
    case .sharedMemoryUnavailable(let bytes, let reason):
      "no \((bytes + (1 << 20) - 1) >> 20) MB of shared memory: \(reason)"
    case .alreadyInitialized:
      "MPI is already initialized in this process"
    case .alreadyFinalized:
      "MPI was finalized in this process and can't be initialized again"
    case .threadLevelInsufficient(let asked, let granted):
      "MPI grants thread level \(granted), and \(asked) is needed"
    case .wrongLauncher(let variable, let expected, let found):
      "\(variable) says that \(expected) processes were started, but MPI joined \(found): "
        + "the launcher belongs to another MPI, or was not told to use PMI"
    }
  }
}
