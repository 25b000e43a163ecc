// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

extension Communicator {
  /// Makes a communicator of the same ranks whose messages never meet those of this one; all ranks.
  ///
  /// MPI 3.1, section 6.4.2.
  ///
  /// - Throws: What MPI reports, or ``MPIError/communicatorClosed(call:rank:)``.
  public func duplicate() throws(MPIError) -> Communicator {
    var made: MPI_Comm?
    try check(MPI_Comm_dup(live("MPI_Comm_dup"), &made), "MPI_Comm_dup", rank: worldRank)
    return try adopt(made, "MPI_Comm_dup")
  }

  /// Makes one communicator for each color, of the ranks that named it; all ranks.
  ///
  /// MPI 3.1, section 6.4.2.
  ///
  /// - Parameters:
  ///   - color: Which group this rank joins, not negative; with `nil` it joins none.
  ///   - key: Orders the ranks of a group; equal keys keep the order of this communicator.
  /// - Returns: This rank's group, `nil` if it joined none.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if a number doesn't fit, or what MPI
  ///   reports.
  public func split(color: Int?, key: Int = 0) throws(MPIError) -> Communicator? {
    let call: StaticString = "MPI_Comm_split"
    let colors = 0...Int(Int32.max)
    try require(color.map(colors.contains) ?? true, call, "color \(color ?? 0) is not in \(colors)")
    guard let key = Int32(exactly: key) else { throw invalid(call, "key \(key) is too large") }
    let number = color.map { Int32(truncatingIfNeeded: $0) } ?? clockstep_undefined
    var made: MPI_Comm?
    try check(MPI_Comm_split(live(call), number, key, &made), call, rank: worldRank)
    return color == nil ? nil : try adopt(made, call)
  }

  /// Makes one communicator for each set of ranks that can share memory, so one a machine; all ranks.
  ///
  /// The ranks keep their order. MPI 3.1, section 6.4.2.
  ///
  /// - Throws: What MPI reports, or ``MPIError/communicatorClosed(call:rank:)``.
  public func splitBySharedMemory() throws(MPIError) -> Communicator {
    let call: StaticString = "MPI_Comm_split_type"
    var made: MPI_Comm?
    try check(
      MPI_Comm_split_type(
        live(call), clockstep_comm_type_shared, Int32(rank), clockstep_info_null(), &made),
      call, rank: worldRank)
    return try adopt(made, call)
  }

  private func adopt(_ made: MPI_Comm?, _ call: StaticString) throws(MPIError) -> Communicator {
    guard let made, made != clockstep_comm_null() else {
      throw invalid(call, "MPI made no communicator")
    }
    return try Communicator(taking: made, state: state)
  }
}
