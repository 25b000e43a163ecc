// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Failures
import Foundation
import MessagePassing

/// The program: parses arguments, and runs a command on all ranks.
@main
struct Lockstep: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lockstep",
    abstract: "Train neural networks on any number of ranks, with bitwise identical results.",
    version: Version.current,
    subcommands: [
      TrainCommand.self, EvaluateCommand.self, PredictCommand.self, InspectCommand.self,
      CompareCommand.self, ReportCommand.self, BenchCommand.self, DoctorCommand.self,
      PlanCommand.self,
    ]
  )

  /// Arguments are parsed before MPI starts, so that a wrong one costs one line and no job.
  static func main() {
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      leave(error)
    }
  }

  /// Prints the parser's message on rank 0 and ends every rank.
  private static func leave(_ error: any Error) -> Never {
    if let exit = error as? ProgramExit { exit.leave() }
    let code = exitCode(for: error)
    guard LaunchEnvironment.current.isFirst else {
      // mpirun ends the job at the first rank that fails, which must be rank 0 with its message.
      Foundation.exit(0)
    }
    if code == .success {
      Terminal.write(fullMessage(for: error) + "\n", to: .standardOutput)
      Foundation.exit(0)
    }
    let line = message(for: error).split(separator: "\n").first.map(String.init)
    let command = CommandLine.arguments.dropFirst().first { first in
      configuration.subcommands.contains { $0.configuration.commandName == first }
    }
    let help = ["lockstep", command, "--help"].compactMap { $0 }.joined(separator: " ")
    Terminal.write(
      "lockstep: \(line ?? "invalid arguments"); see \(help)\n", to: .standardError)
    Foundation.exit(code == .validationFailure ? 64 : code.rawValue)
  }
}

/// The program's version.
enum Version {
  static let current = "0.1.0"
}
