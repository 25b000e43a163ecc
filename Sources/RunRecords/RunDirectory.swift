// SPDX-License-Identifier: Apache-2.0
internal import Failures
internal import Foundation

/// The folder that a run writes its files to; only rank 0 touches it.
package struct RunDirectory {
  package let path: String
  package var metrics: String { path + "/metrics.jsonl" }
  package var timing: String { path + "/timing.jsonl" }
  package var summary: String { path + "/summary.json" }
  package var configuration: String { path + "/config.yaml" }
  package var trace: String { path + "/trace.json" }
  package var checkpoints: String { path + "/checkpoints" }

  /// What every run directory holds some of; others are never deleted.
  private static let signs = ["metrics.jsonl", "summary.json", "checkpoints"]

  /// The folder of a run that is not named: after the time and the data.
  package static func defaultPath(data: String) -> String {
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.dateFormat = "yyyyMMdd-HHmmss"
    let base = data.split(separator: "/").last.map(String.init) ?? data
    let name = base.map { $0.isLetter || $0.isNumber || "-_".contains($0) ? $0 : "-" }
    return "runs/\(format.string(from: Date()))-\(String(name))"
  }

  /// The folder of a run that is there.
  package init(existing path: String) {
    self.path = path
  }

  /// Makes the folder, which must not be there unless it is to be replaced.
  package init(create path: String, overwrite: Bool) throws(RunRecordError) {
    self.path = path
    let files = FileManager.default
    if files.fileExists(atPath: path) {
      guard overwrite else {
        throw .cannotCreate("\(path): exists already; choose another --run, or add --overwrite")
      }
      try Self.remove(path)
    }
    try Self.make(path)
  }

  /// Makes a folder and those above it that are missing.
  private static func make(_ path: String) throws(RunRecordError) {
    var folder = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      folder += (folder.isEmpty || folder == "/" ? "" : "/") + part
      guard mkdir(folder, 0o777) != 0, errno != EEXIST else { continue }
      throw .cannotCreate(
        "\(path): can't be made: \(folder): \(SystemError.lastText)")
    }
  }

  private static func remove(_ path: String) throws(RunRecordError) {
    let files = FileManager.default
    let names = try? files.contentsOfDirectory(atPath: path)
    guard let names, names.isEmpty || names.contains(where: signs.contains) else {
      throw .cannotCreate(
        "\(path): --overwrite replaces run directories only, and this is none; choose another --run"
      )
    }
    do {
      try files.removeItem(atPath: path)
    } catch {
      throw .cannotCreate("\(path): can't be replaced: \(error.localizedDescription)")
    }
  }

  /// Removes what was made, for a run that fails before it has anything to keep.
  package func discard() {
    try? FileManager.default.removeItem(atPath: path)
  }
}
