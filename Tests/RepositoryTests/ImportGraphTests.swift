// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("The import graph")
struct ImportGraphTests {
  /// The modules of this package that each module may import.
  static let allowed: [String: Set<String>] = [
    "Failures": [],
    "Files": ["Failures"],
    "Tracing": [],
    "Machine": [],
    "MessagePassing": ["Failures", "COpenMPI", "CMemoryFile"],
    "NeuralCore": ["Tracing", "COneDNN", "CVectorMath", "CXXHash"],
    "Datasets": ["Failures", "Files", "Machine", "NeuralCore", "CZlib"],
    "Coordination": ["Failures", "Tracing", "NeuralCore"],
    "DataParallel": ["Failures", "Tracing", "MessagePassing", "NeuralCore", "Coordination"],
    "Checkpoints": ["Failures", "Files", "NeuralCore"],
    "RunRecords": ["Failures", "Files", "NeuralCore", "Yams"],
    "Reports": ["Failures", "NeuralCore", "Checkpoints", "RunRecords"],
    "Training": [
      "Failures", "Files", "Tracing", "Machine", "NeuralCore", "Datasets", "Coordination",
      "Checkpoints", "RunRecords",
    ],
    "Diagnosis": [
      "Failures", "Tracing", "Machine", "MessagePassing", "NeuralCore", "Coordination",
      "DataParallel",
    ],
    "LockstepCLI": [
      "Failures", "Files", "Machine", "MessagePassing", "NeuralCore", "Datasets", "Coordination",
      "DataParallel", "Checkpoints", "RunRecords", "Reports", "Training", "Diagnosis", "CSignals",
    ],
  ]
  static let known = Set(allowed.keys).union(allowed.values.joined())

  static let sources = packageRoot.appendingPathComponent("Sources")

  /// Every Swift file of a module, as (path, text).
  static func files(of module: String) throws -> [(String, String)] {
    let folder = sources.appendingPathComponent(module)
    let names = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String }
    return try (names ?? []).filter { $0.hasSuffix(".swift") }.map {
      (
        "\(module)/\($0)",
        try String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8)
      )
    }
  }

  @Test(
    "A module imports only the modules that the design allows", arguments: allowed.keys.sorted())
  func imports(module: String) throws {
    let files = try Self.files(of: module)
    #expect(!files.isEmpty)
    for (path, text) in files {
      for line in text.split(separator: "\n") {
        let words = line.split(separator: " ")
        guard let place = words.firstIndex(of: "import"), place < 2, place + 1 < words.count else {
          continue
        }
        let imported = String(words[place + 1])
        guard Self.known.contains(imported) else { continue }
        #expect(
          Self.allowed[module]?.contains(imported) == true, "\(path) imports \(imported)")
      }
    }
  }

  @Test("Only the command line prints or exits")
  func silence() throws {
    for module in Self.allowed.keys where module != "LockstepCLI" {
      for (path, text) in try Self.files(of: module) {
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
          .enumerated() where !line.contains("///")
        {
          #expect(
            line.firstMatch(of: /(^|[^.\w])(print|exit|fatalError)\(/) == nil,
            "\(path):\(number + 1): \(line)")
        }
      }
    }
  }
}
