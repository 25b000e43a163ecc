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
import Reports
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
      return try JSONOutput.text(self)
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

extension Checkup {
  /// The hosts, the links and the findings, as tables.
  var text: String {
    var parts = ["Hosts\n" + hostTable]
    if !links.isEmpty {
      parts.append(
        "Latency in microseconds, from row to column\n" + matrix { Self.decimals($0.latencyUs, 1) })
      parts.append(
        "Bandwidth in MB/s, from row to column\n"
          + matrix {
            Self.decimals($0.megabytesPerS, $0.megabytesPerS < 10 ? 1 : 0)
          })
    }
    parts.append(findings.isEmpty ? "No findings.\n" : "Findings\n" + findingLines)
    return parts.joined(separator: "\n")
  }

  private var hostTable: String {
    let titles = [
      "host", "ranks", "cores", "memory", "free", "/dev/shm", "free", "clock", "address", "MPI",
      "oneDNN",
      "instructions", "build", "processor",
    ]
    return TextTable(titles, hosts.map(row)).text
  }

  private func row(_ host: HostReport) -> [String] {
    let shared = host.sharedMemory
    return [
      host.host, "\(host.ranks.count)", "\(host.cores)", Self.gigabytes(host.memory.bytes),
      Self.gigabytes(host.memory.freeBytes), shared.map { Self.gigabytes($0.bytes) } ?? "none",
      shared.map { Self.gigabytes($0.freeBytes) } ?? "-",
      abs(host.clockOffsetS) < 1e-6 ? "0 s" : Self.signed(host.clockOffsetS) + " s",
      host.addresses.isEmpty ? "-" : host.addresses.joined(separator: ", "), host.mpi, host.onednn,
      host.instructionSet, String(host.build.prefix(8)), host.processor,
    ]
  }

  private func matrix(_ cell: (LinkMeasurement) -> String) -> String {
    let ends = Set(links.map(\.from)).union(links.map(\.to)).sorted()
    let known = Dictionary(links.map { ([$0.from, $0.to], $0) }) { first, _ in first }
    let names = Dictionary(
      links.flatMap { [($0.from, $0.fromHost), ($0.to, $0.toHost)] }
    ) { first, _ in first }
    let rows = ends.map { from in
      ["\(names[from] ?? "") rank \(from)"] + ends.map { known[[from, $0]].map(cell) ?? "-" }
    }
    return TextTable(["from"] + ends.map { "rank \($0)" }, rows).text
  }

  private var findingLines: String {
    findings.map { finding in
      "  \(finding.status == 0 ? "" : "training fails with status \(finding.status): ")\(finding.message)\n"
    }.joined()
  }

  private static func gigabytes(_ bytes: Int) -> String {
    bytes < 1 << 30 ? "\(bytes >> 20) MB" : decimals(Double(bytes) / Double(1 << 30), 1) + " GB"
  }

  private static func signed(_ seconds: Double) -> String {
    String(format: abs(seconds) < 1 ? "%+.6f" : "%+.1f", seconds)
  }

  private static func decimals(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }
}
