// SPDX-License-Identifier: Apache-2.0
import Failures
import Foundation

/// The end of the program with an error: a status, and what rank 0 reports about it.
struct ProgramExit: Error {
  let status: ExitStatus
  let message: String?

  init(_ status: ExitStatus, _ message: String?) {
    self.status = status
    self.message = message
  }

  /// The end that an error leads to in a command that runs without MPI.
  init(_ error: any Error) {
    let failure = Failure(error)
    self.init(failure.status, failure.message)
  }

  func leave() -> Never {
    if let message { Terminal.write("lockstep: \(message)\n", to: .standardError) }
    exit(status.rawValue)
  }
}
