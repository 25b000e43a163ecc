// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI
internal import Glibc

/// Ends the job because a request was dropped in flight, and says which; our bug, so status 70.
func endJob(dropping request: String, rank: Int) -> Never {
  let message = "lockstep: rank \(rank): a request was dropped in flight: \(request)\n"
  var rest = Array(message.utf8)[...]
  while !rest.isEmpty {
    let written = rest.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    guard written > 0 else { break }
    rest = rest.dropFirst(written)
  }
  endJob(status: 70)
}

/// Ends all ranks at once.
func endJob(status: Int32) -> Never {
  var finalized: Int32 = 0
  MPI_Finalized(&finalized)
  if finalized == 0 { MPI_Abort(clockstep_comm_world(), status) }
  _exit(status)
}
