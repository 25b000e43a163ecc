// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Failures
import Foundation
import MessagePassing
import RunRecords
import Training

/// The program: parses arguments, and runs a command on all ranks.
@main
struct Lockstep: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lockstep",
    abstract: "Train neural networks on any number of ranks, with bitwise identical results.",
    version: Version.current,
    subcommands: [
      TrainCommand.self, EvaluateCommand.self, PredictCommand.self, DescribeCommand.self,
      InspectCommand.self, CompareCommand.self, ReportCommand.self, BenchCommand.self,
      DoctorCommand.self,
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
    Terminal.write("lockstep: \(line(for: error))\n", to: .standardError)
    Foundation.exit(code == .validationFailure ? 64 : code.rawValue)
  }

  /// What is wrong with the arguments, and what to do about it.
  private static func line(for error: any Error) -> String {
    let message = message(for: error).split(separator: "\n").first ?? "invalid arguments"
    let command = CommandLine.arguments.dropFirst().lazy.compactMap { argument in
      configuration.subcommands.first { $0.configuration.commandName == argument }
    }.first
    let names = ["lockstep", command?.configuration.commandName, "--help"]
    let help = "see \(names.compactMap { $0 }.joined(separator: " "))"
    // The parser throws an error of a private type; its message starts with the quoted option.
    let parts = message.split(separator: "'")
    guard parts.first == "Unknown option ", parts.count > 1 else { return "\(message); \(help)" }
    let hint = UnknownOption.hint(
      String(parts[1].drop { $0 == "-" }), among: optionNames(of: command ?? Self.self),
      dashes: "--")
    return "unknown option \(ConfigurationValue.oneLine(String(parts[1]))); \(hint ?? help)"
  }

  /// The options of a command, as its help lists them, without their dashes.
  private static func optionNames(of command: any ParsableCommand.Type) -> [String] {
    helpMessage(for: command, columns: 200).split(separator: "\n")
      .filter { $0.hasPrefix("  -") }
      .flatMap { line in
        let label = line.dropFirst(2)
        return label[..<(label.firstRange(of: "  ")?.lowerBound ?? label.endIndex)]
          .split { " ,/".contains($0) }
      }
      .filter { $0.hasPrefix("--") }.map { String($0.dropFirst(2)) }
  }
}

/// The program's version.
enum Version {
  static let current = "0.1.0"
}
