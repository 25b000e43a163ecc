// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI
public import Failures

/// An error of this module, on this rank.
///
/// The other ranks of a collective may still be waiting for this one. Unless all ranks are known to
/// have failed alike, report the error and terminate the job with ``Communicator/abort(status:)``.
public enum MPIError: Error, Equatable, Sendable {
  /// An MPI function returned an error code.
  case callFailed(MPIFailure)
  /// An argument was rejected before the call reached MPI; `reason` states what was expected and
  /// found.
  case invalidArgument(call: String, rank: Int, reason: String)
  /// A message has `count` elements, more than the 32-bit counts of MPI allow.
  case tooManyElements(call: String, rank: Int, count: Int)
  /// A communicator was used after it was freed, or after MPI was finalized.
  case communicatorClosed(call: String, rank: Int)
  /// A request group already has `capacity` requests in flight.
  case groupFull(capacity: Int, rank: Int)
  /// The observer of long waits abandoned this wait, because of `reason`.
  case waitAbandoned(reason: String)
  /// The ranks of a host can't share `bytes` bytes of memory, because of `reason`.
  case sharedMemoryUnavailable(bytes: Int, reason: String)
  /// MPI is already initialized in this process.
  case alreadyInitialized
  /// MPI was finalized in this process, and can't be initialized again.
  case alreadyFinalized
  /// MPI provides a lower thread level than required.
  case threadLevelInsufficient(asked: ThreadLevel, granted: ThreadLevel)
  /// The launcher started `expected` processes, but MPI connected only `found` of them.
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

  /// A one-line description.
  public var description: String {
    switch self {
    case .callFailed(let failure):
      failure.description
    case .invalidArgument(let call, let rank, let reason):
      "\(call) on rank \(rank): \(reason)"
    case .tooManyElements(let call, let rank, let count):
      "\(call) on rank \(rank): \(count) elements exceed the limit of \(Int32.max) per message"
    case .communicatorClosed(let call, let rank):
      "\(call) on rank \(rank): the communicator is freed, or MPI is finalized"
    case .groupFull(let capacity, let rank):
      "the request group on rank \(rank) is full: all of its \(capacity) requests are in flight"
    case .waitAbandoned(let reason):
      reason
    case .sharedMemoryUnavailable(let bytes, let reason):
      "cannot allocate \((bytes + (1 << 20) - 1) >> 20) MB of shared memory: \(reason)"
    case .alreadyInitialized:
      "MPI is already initialized in this process"
    case .alreadyFinalized:
      "MPI was finalized in this process and cannot be initialized again"
    case .threadLevelInsufficient(let asked, let granted):
      "MPI provides thread level \(granted), but \(asked) is required"
    case .wrongLauncher(let variable, let expected, let found):
      "the launcher started \(expected) processes (\(variable)), but MPI connected only \(found): "
        + "use the launcher of the same MPI installation, or enable its PMI support"
    }
  }
}

/// An error code returned by MPI, and its meaning.
///
/// MPI 3.1, section 8.4.
public struct MPIFailure: Equatable, Sendable, CustomStringConvertible {
  /// The MPI function that failed, such as `MPI_Recv`.
  public let call: String
  /// The code that it returned, which is specific to the MPI library.
  public let code: Int
  /// The standard's class of that code, such as 15 for `MPI_ERR_TRUNCATE` in Open MPI.
  public let errorClass: Int
  /// The library's text for the code.
  public let text: String
  /// The rank in the world; `nil` if it isn't known yet.
  public let rank: Int?

  /// Creates a failure from its parts.
  public init(call: String, code: Int, errorClass: Int, text: String, rank: Int?) {
    self.call = call
    self.code = code
    self.errorClass = errorClass
    self.text = text
    self.rank = rank
  }

  /// Looks up the class and text of `code` in the MPI library.
  fileprivate init(lookingUp code: Int32, call: String, rank: Int?) {
    var errorClass: Int32 = -1
    MPI_Error_class(code, &errorClass)
    let text = textFromMPI(capacity: clockstep_max_error_string) { text, length in
      MPI_Error_string(code, text, length)
    }
    self.init(call: call, code: Int(code), errorClass: Int(errorClass), text: text, rank: rank)
  }

  /// A one-line description.
  public var description: String {
    let place = rank.map { " on rank \($0)" } ?? ""
    return "\(call) failed\(place): \(text) (code \(code), class \(errorClass))"
  }
}

/// Throws unless an MPI function returned `MPI_SUCCESS`; every call is checked here.
///
/// - Throws: ``MPIError/callFailed(_:)``.
@inline(__always)
func check(_ code: Int32, _ call: StaticString, rank: Int?) throws(MPIError) {
  guard code == clockstep_success else {
    throw .callFailed(MPIFailure(lookingUp: code, call: "\(call)", rank: rank))
  }
}

/// The text that an MPI function writes together with its length.
func textFromMPI(
  capacity: Int, _ fill: (UnsafeMutablePointer<CChar>, UnsafeMutablePointer<Int32>) -> Int32
) -> String {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity + 1) { text in
    text.initialize(repeating: 0)
    guard let start = text.baseAddress else { return "" }
    var length: Int32 = 0
    guard fill(start, &length) == clockstep_success else { return "no text" }
    return String(cString: start)
  }
}
