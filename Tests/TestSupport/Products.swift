// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// The root of the package.
package let packageRoot = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent()

/// The path of a file in the package.
package func packagePath(_ path: String) -> String { packageRoot.appendingPathComponent(path).path }

/// An executable that was not found beside the running tests.
package struct MissingProduct: Error, CustomStringConvertible {
  /// The product's name.
  package let name: String
  /// The folder that was searched.
  package let folder: String

  package var description: String { "no executable \(name) in \(folder); build it first" }
}

/// Finds an executable of this package that was built beside the running tests.
///
/// SwiftPM puts the test runner and all products into one folder, so this holds for every
/// configuration and `--scratch-path`.
///
/// - Throws: ``MissingProduct`` if there is no such executable.
package func productURL(named name: String) throws -> URL {
  let runner = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
  let folder = runner.deletingLastPathComponent()
  let product = folder.appendingPathComponent(name)
  guard FileManager.default.isExecutableFile(atPath: product.path) else {
    throw MissingProduct(name: name, folder: folder.path)
  }
  return product
}

/// Runs a script of the package, with the program that was built beside the tests.
///
/// - Parameters:
///   - script: The script's path in the package.
///   - environment: Added to the inherited variables; it may name another program.
///   - currentDirectory: Where the script runs; by default `/`, to find paths that depend on it.
package func runScript(
  _ script: String, _ arguments: [String], environment: [String: String] = [:],
  currentDirectory: String = "/"
) throws -> CommandResult {
  let binary = ["LOCKSTEP_BINARY": try productURL(named: "lockstep").path]
  return try run(
    packagePath(script), arguments, environment: binary.merging(environment) { $1 },
    currentDirectory: currentDirectory)
}

extension TemporaryFolder {
  /// Writes an executable Bash script, and returns its path.
  @discardableResult
  package func writeScript(_ name: String, _ commands: String) throws -> String {
    let path = try write(name, "#!/bin/bash\n\(commands)\n")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    return path
  }
}
