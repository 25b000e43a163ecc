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
    abstract: "Trains neural networks on several ranks, with the same bits on any number of them.",
    version: Version.current,
    subcommands: [
      TrainCommand.self, EvaluateCommand.self, PredictCommand.self, InspectCommand.self,
      CompareCommand.self, ReportCommand.self, BenchCommand.self, DoctorCommand.self,
      PlanCommand.self,
    ]
  )

  /// Arguments are understood before MPI begins, so that a slip costs one line and no job.
  static func main() {
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try parseAsRoot(arguments)
      try command.run()
    } catch {
      leave(error)
    }
  }

  /// The program's arguments, with `--resume` alone spelled out: its file may be left away.
  private static var arguments: [String] {
    let given = Array(CommandLine.arguments.dropFirst())
    return given.enumerated().map { index, argument in
      let next = given.indices.contains(index + 1) ? given[index + 1] : "--"
      return argument == "--resume" && next.hasPrefix("--") ? "--resume=newest" : argument
    }
  }

  /// Tells what the parser has to say once, on rank 0, and ends every rank.
  private static func leave(_ error: any Error) -> Never {
    if let exit = error as? ProgramExit { exit.leave() }
    let code = exitCode(for: error)
    guard LaunchEnvironment.current.isFirst else {
      // mpirun ends the job at the first rank that fails; rank 0 must come to its words.
      Foundation.exit(0)
    }
    if code == .success {
      Terminal.write(fullMessage(for: error) + "\n", to: .standardOutput)
      Foundation.exit(0)
    }
    let words = message(for: error).split(separator: "\n").first.map(String.init)
    Terminal.write(
      "lockstep: \(words ?? "wrong usage"); see lockstep --help\n", to: .standardError)
    Foundation.exit(code == .validationFailure ? 64 : code.rawValue)
  }
}

/// The program's version.
enum Version {
  static let current = "0.1.0"
}
