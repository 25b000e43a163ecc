// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

/// A group of ranks that exchange messages only among themselves.
///
/// Operations documented as *collective* must be called by every rank of the communicator, in the
/// same order; all others concern the calling rank alone. A communicator belongs to one thread.
/// Errors are thrown; MPI never ends the program by itself.
///
/// MPI 3.1, chapter 6.
public final class Communicator {
  /// The rank of this process, in `0..<size`.
  public let rank: Int
  /// The number of ranks.
  public let size: Int

  let state: EnvironmentState
  private let isPredefined: Bool
  private let handle: MPI_Comm
  private var isFreed = false

  /// Wraps a handle, and makes MPI return errors for it.
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

  /// Releases the communicator's MPI resources.
  ///
  /// Collective. There is no automatic release: a communicator that goes out of scope on one rank
  /// must not block on the others. MPI 3.1, section 6.4.3.
  ///
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` for the communicators of
  ///   ``MPIEnvironment``, ``MPIError/communicatorClosed(call:rank:)`` if it is already freed.
  public func free() throws(MPIError) {
    var handle: MPI_Comm? = try live("MPI_Comm_free")
    try require(!isPredefined, "MPI_Comm_free", "the environment's communicators can't be freed")
    isFreed = true
    try check(MPI_Comm_free(&handle), "MPI_Comm_free", rank: worldRank)
  }

  /// Terminates all ranks of the job immediately.
  ///
  /// `mpirun` then exits with `status`. MPI 3.1, section 8.7.
  public func abort(status: Int32) -> Never {
    endJob(status: status)
  }

  /// Bytes that this process has sent to other ranks so far, on all communicators.
  ///
  /// A message counts when it is started, without headers. How MPI routes the data of a collective
  /// is its own choice, so there each rank counts its own elements once for every rank that must
  /// receive them; summed over all ranks this is what arrives.
  public var bytesSent: Int { state.bytesSent }

  /// The rank of this process in the world, which errors report.
  var worldRank: Int { state.worldRank }

  /// The handle, unless the communicator is freed or MPI finalized.
  func live(_ call: StaticString) throws(MPIError) -> MPI_Comm {
    guard !isFreed, !state.isFinalized else {
      throw .communicatorClosed(call: "\(call)", rank: worldRank)
    }
    return handle
  }
}

/// New communicators from existing ones.
extension Communicator {
  /// Creates a communicator of the same ranks whose messages are separate from this one's.
  ///
  /// Collective. MPI 3.1, section 6.4.2.
  ///
  /// - Throws: What MPI reports, or ``MPIError/communicatorClosed(call:rank:)``.
  public func duplicate() throws(MPIError) -> Communicator {
    var made: MPI_Comm?
    try check(MPI_Comm_dup(live("MPI_Comm_dup"), &made), "MPI_Comm_dup", rank: worldRank)
    return try wrap(made, "MPI_Comm_dup")
  }

  /// Partitions the ranks into one new communicator per color.
  ///
  /// Collective. MPI 3.1, section 6.4.2.
  ///
  /// - Parameters:
  ///   - color: The communicator that this rank joins, not negative; `nil` to join none.
  ///   - key: Determines the order of ranks in the new communicator; ties keep the current order.
  /// - Returns: The communicator of this rank's color, `nil` if it has none.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if a number is out of range, or what
  ///   MPI reports.
  public func split(color: Int?, key: Int = 0) throws(MPIError) -> Communicator? {
    let call: StaticString = "MPI_Comm_split"
    let colors = 0...Int(Int32.max)
    try require(color.map(colors.contains) ?? true, call, "color \(color ?? 0) is not in \(colors)")
    guard let key = Int32(exactly: key) else {
      throw invalid(call, "key \(key) does not fit in 32 bits")
    }
    let number = color.map { Int32(truncatingIfNeeded: $0) } ?? clockstep_undefined
    var made: MPI_Comm?
    try check(MPI_Comm_split(live(call), number, key, &made), call, rank: worldRank)
    return color == nil ? nil : try wrap(made, call)
  }

  /// Partitions the ranks into one communicator per host, whose ranks can share memory.
  ///
  /// Collective. The ranks keep their order. MPI 3.1, section 6.4.2.
  ///
  /// - Throws: What MPI reports, or ``MPIError/communicatorClosed(call:rank:)``.
  public func splitBySharedMemory() throws(MPIError) -> Communicator {
    let call: StaticString = "MPI_Comm_split_type"
    var made: MPI_Comm?
    try check(
      MPI_Comm_split_type(
        live(call), clockstep_comm_type_shared, Int32(rank), clockstep_info_null(), &made),
      call, rank: worldRank)
    return try wrap(made, call)
  }

  private func wrap(_ made: MPI_Comm?, _ call: StaticString) throws(MPIError) -> Communicator {
    guard let made, made != clockstep_comm_null() else {
      throw invalid(call, "MPI created no communicator")
    }
    return try Communicator(taking: made, state: state)
  }
}

/// Argument checks: a call that passes them can't make MPI access memory outside a buffer.
extension Communicator {
  func invalid(_ call: StaticString, _ reason: String) -> MPIError {
    .invalidArgument(call: "\(call)", rank: worldRank, reason: reason)
  }

  @inline(__always)
  func require(_ holds: Bool, _ call: StaticString, _ reason: @autoclosure () -> String)
    throws(MPIError)
  {
    guard holds else { throw invalid(call, reason()) }
  }

  /// A number of elements in MPI's type.
  func checkedCount(_ count: Int, _ call: StaticString) throws(MPIError) -> Int32 {
    guard let short = Int32(exactly: count) else {
      throw .tooManyElements(call: "\(call)", rank: worldRank, count: count)
    }
    return short
  }

  /// A rank of this communicator in MPI's type.
  func checkedRank(_ peer: Int, _ call: StaticString) throws(MPIError) -> Int32 {
    try require((0..<size).contains(peer), call, "rank \(peer) is not in 0..<\(size)")
    return Int32(truncatingIfNeeded: peer)
  }

  /// A message tag in MPI's type.
  func checkedTag(_ tag: Int, _ call: StaticString) throws(MPIError) -> Int32 {
    let maximum = state.maximumTag
    try require((0...maximum).contains(tag), call, "tag \(tag) is not in 0...\(maximum)")
    return Int32(truncatingIfNeeded: tag)
  }

  /// Checks that a buffer consists of one equal block per rank.
  func requireBlocks(_ found: Int, of block: Int, _ call: StaticString) throws(MPIError) {
    let (expected, overflow) = block.multipliedReportingOverflow(by: size)
    try require(
      !overflow && found == expected, call,
      "the buffer holds \(found) elements, expected \(size) ranks times \(block)")
  }

  /// Checks that a layout has one block per rank and fits in a buffer.
  func requireLayout(_ layout: BlockLayout, in found: Int, _ call: StaticString) throws(MPIError) {
    try require(
      layout.ranks == size, call, "the layout has \(layout.ranks) blocks for \(size) ranks")
    try require(
      layout.extent <= found, call,
      "the layout spans \(layout.extent) elements, the buffer holds \(found)")
  }

  /// Checks that this rank's block has the size that the layout gives it.
  func requireOwnBlock(_ found: Int, _ layout: BlockLayout, _ call: StaticString) throws(MPIError) {
    try require(
      found == layout[rank].count, call,
      "this rank's block holds \(found) elements, \(layout[rank].count) in the layout")
  }
}
