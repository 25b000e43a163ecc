// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// The root of the package.
package let packageRoot = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent()

/// Runs one of the scripts in `launch`, in the folder `/`.
package func launch(
  _ script: String, _ arguments: [String], environment: [String: String] = [:]
) throws -> CommandResult {
  try run(
    packageRoot.appendingPathComponent("launch/\(script)").path, arguments,
    environment: environment, currentDirectory: "/")
}

/// A product that was not found beside the running tests.
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
