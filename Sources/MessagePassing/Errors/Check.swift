// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

/// Turns the code that an MPI function returned into an error; every call goes through here.
///
/// - Throws: ``MPIError/callFailed(_:)`` unless the code is `MPI_SUCCESS`.
@inline(__always)
func check(_ code: Int32, _ call: StaticString, rank: Int?) throws(MPIError) {
  guard code == clockstep_success else {
    throw .callFailed(MPIFailure(asking: code, call: "\(call)", rank: rank))
  }
}
