// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

extension Communicator {
  /// Starts an operation and returns when it has completed; how every call that waits is made.
  ///
  /// MPI's own waiting calls can't look around, and Open MPI makes progress in tests as well.
  ///
  /// - Throws: What MPI reports, or ``MPIError/waitAbandoned(reason:)``: MPI may then still use the
  ///   buffers, so the process must end.
  @inline(__always)
  func complete(
    _ call: StaticString, _ status: UnsafeMutablePointer<MPI_Status>? = nil,
    _ start: (inout MPI_Request?) throws(MPIError) -> Int32
  ) throws(MPIError) {
    var request: MPI_Request? = clockstep_request_null()
    try check(try start(&request), call, rank: worldRank)
    try finish(&request, call, status)
  }

  /// Returns when a request has completed.
  func finish(
    _ request: inout MPI_Request?, _ call: StaticString,
    _ status: UnsafeMutablePointer<MPI_Status>? = nil
  ) throws(MPIError) {
    var loop = WaitLoop(state)
    var completed: Int32 = 0
    while true {
      let code = MPI_Test(&request, &completed, status ?? clockstep_status_ignore())
      try check(code, call, rank: worldRank)
      if completed != 0 { return }
      try loop.pause()
    }
  }
}
