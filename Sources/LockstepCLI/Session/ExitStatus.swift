// SPDX-License-Identifier: Apache-2.0
import Foundation
import MessagePassing
import NeuralCore
import Training

/// The end of the program with an error: a status, and what rank 0 says about it.
struct ExitStatus: Error {
  let status: Int32
  let message: String?

  func leave() -> Never {
    if let message { Terminal.write("lockstep: \(message)\n", to: .standardError) }
    exit(status)
  }
}

extension Failure {
  /// What any error means, those of MPI and of the network included.
  static func of(_ error: any Error) -> Failure {
    switch error {
    case MPIError.waitAbandoned(let reason): Failure(status: 75, message: reason)
    case MPIError.callFailed(let failure): Failure(status: 75, message: "\(failure)")
    case let error as MPIError: Failure(status: 70, message: "\(error)")
    case let error as NeuralCoreError: Failure(status: 65, message: "\(error)")
    default: Failure(of: error)
    }
  }
}
