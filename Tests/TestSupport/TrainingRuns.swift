// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// Run directories of the program in a temporary folder.
package final class TrainingRuns: Sendable {
  private let temporary: TemporaryFolder

  /// The path of the folder that holds the run directories.
  package var folder: String { temporary.path }

  package init() throws { temporary = try TemporaryFolder() }

  /// Trains on `ranks` ranks, into the run directory `name`.
  ///
  /// - Throws: ``TrainingFailed`` if the exit status is not 0.
  package func train(_ name: String, ranks: Int, _ arguments: [String]) throws {
    let result = try mpirun(
      ranks: ranks, productURL(named: "lockstep").path,
      ["train"] + arguments + ["--run", "\(folder)/\(name)", "--quiet"])
    guard result.status == 0 else { throw TrainingFailed(run: name, result: result) }
  }

  /// The content of a file in a run directory.
  package func file(_ run: String, _ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(run)/\(name)"))
  }

  /// Copies a run directory.
  package func copy(_ run: String, as name: String) throws {
    try FileManager.default.copyItem(atPath: "\(folder)/\(run)", toPath: "\(folder)/\(name)")
  }
}

/// A training run that a test needs has failed.
package struct TrainingFailed: Error, CustomStringConvertible {
  /// The run directory's name.
  package let run: String
  package let result: CommandResult

  package var description: String {
    "training of \(run) ended with status \(result.status): \(result.standardError)"
  }
}
