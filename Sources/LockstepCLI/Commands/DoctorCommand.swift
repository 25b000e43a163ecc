// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Coordination
import DataParallel
import Datasets
import Diagnosis
import Failures
import Foundation
import Machine
import MessagePassing
import NeuralCore
import Training

/// The command `doctor`: looks at the hosts of a job and at the links between them.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Check the hosts of a job and the links between them, and suggest fixes.",
    discussion: """
      Start it like training, on the same hosts and ranks. It takes about half a minute at most. The \
      exit status is the one that training would have: 76 if builds or machines differ, otherwise 0.
      """)

  @Flag(help: "Print the results as JSON, for lockstep plan --links.")
  var json = false

  @Option(help: "Approximate time limit for measuring all links, in seconds.")
  var seconds = 20.0

  @OptionGroup(title: StallOptions.title)
  var stallOptions: StallOptions

  func validate() throws {
    try OptionNumbers.check("--seconds", seconds, in: 0.001...1e6)
  }

  func run() throws {
    try Session.run(stallOptions.limits) { group, environment in
      let checkup = try Checkup(
        group, mpi: environment.libraryVersion, linkSeconds: seconds)
      if group.rank == 0 {
        Terminal.write(json ? try checkup.json : checkup.text, to: .standardOutput)
      }
      if let worst = checkup.findings.first(where: { $0.status != 0 }) {
        throw Failure(ExitStatus(rawValue: worst.status), worst.message)
      }
    }
  }
}

/// All that `doctor` finds; the same on all ranks.
struct Checkup: Codable {
  let hosts: [HostReport]
  let links: [LinkMeasurement]
  let findings: [Finding]

  /// Measures and compares; all ranks.
  init(_ group: MPIProcessGroup, mpi: String, linkSeconds: Double) throws {
    links = try group.measureLinks(within: linkSeconds)
    let offsets = try ClockOffsets.measure(group) { Host.timeOfDay }
    let invariants = Session.invariants
    let program = HostReport.Program(
      mpi: Self.shortName(mpi), onednn: ProductLibrary.version,
      instructionSet: ProductLibrary.instructionSetName, build: Session.fingerprint,
      freeBytes: Memory.availableBytes)
    hosts = try group.reportHosts(program, clockOffsets: offsets)
    // Training stops at the first difference; here all are told.
    let differences = try invariants.compactMap { try group.firstMismatch(in: [$0]) }
    findings = differences.map { Finding($0) } + HostFindings.all(hosts) + LinkFindings.all(links)
  }

  /// What stands before the first comma: `Open MPI v4.1.4`.
  private static func shortName(_ library: String) -> String {
    String(library.prefix { $0 != "," }).trimmingCharacters(in: .whitespaces)
  }

  /// One object with snake case keys.
  var json: String {
    get throws {
      let encoder = JSONEncoder()
      encoder.keyEncodingStrategy = .convertToSnakeCase
      encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
      return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }
  }

  /// What ``json`` has written, read from a file.
  static func read(path: String) throws(Failure) -> Checkup {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw Failure(
        .missingInput, "--links \(path): can't be read; write it with lockstep doctor --json")
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let read = try? decoder.decode(Checkup.self, from: data),
      read.links.allSatisfy({
        $0.latencyUs >= 0 && $0.gapUs >= 0 && $0.megabytesPerS > 0
          && $0.latencyUs + $0.gapUs + $0.megabytesPerS < .infinity
      })
    else {
      throw Failure(
        .badData, "--links \(path): is not what lockstep doctor --json writes; write it again")
    }
    return read
  }
}
