// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A file path of a test's own; the folder around it goes with the object.
final class TemporaryFile {
  let folder: String
  let path: String

  init() throws {
    folder = NSTemporaryDirectory() + "lockstep-\(UUID().uuidString)"
    path = folder + "/log.jsonl"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: folder)
  }

  var text: String {
    get throws { try String(contentsOfFile: path, encoding: .utf8) }
  }

  func place(_ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  }
}
