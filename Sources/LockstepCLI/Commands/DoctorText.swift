// SPDX-License-Identifier: Apache-2.0
import DataParallel
import Diagnosis
import Foundation
import Reports

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
