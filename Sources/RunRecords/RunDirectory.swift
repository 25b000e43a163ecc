// SPDX-License-Identifier: Apache-2.0
public import Failures
internal import Foundation

/// The directory that a run writes its files to; only rank 0 accesses it.
package struct RunDirectory {
  package let path: String
  package var metrics: String { path + "/metrics.jsonl" }
  package var timing: String { path + "/timing.jsonl" }
  package var summary: String { path + "/summary.json" }
  package var evaluation: String { path + "/evaluation.json" }
  package var configuration: String { path + "/config.yaml" }
  package var trace: String { path + "/trace.json" }
  package var checkpoints: String { path + "/checkpoints" }

  /// Every run directory holds some of these; a directory without them is never deleted.
  private static let signs = ["metrics.jsonl", "summary.json", "checkpoints"]

  /// The directory of a run without `--run`: named after the time and the data.
  package static func defaultPath(data: String) -> String {
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.dateFormat = "yyyyMMdd-HHmmss"
    let base = data.split(separator: "/").last.map(String.init) ?? data
    let name = base.map { $0.isLetter || $0.isNumber || "-_".contains($0) ? $0 : "-" }
    return "runs/\(format.string(from: Date()))-\(String(name))"
  }

  /// The directory of an existing run.
  package init(existing path: String) {
    self.path = path
  }

  /// Creates the directory, which must not exist unless it may be replaced.
  ///
  /// - Throws: `.cannotCreate`.
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

  /// Creates a directory and its missing parents.
  private static func make(_ path: String) throws(RunRecordError) {
    var folder = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      folder += (folder.isEmpty || folder == "/" ? "" : "/") + part
      guard mkdir(folder, 0o777) != 0, errno != EEXIST else { continue }
      throw .cannotCreate(
        "\(path): can't be created: \(folder): \(SystemError.lastText)")
    }
  }

  private static func remove(_ path: String) throws(RunRecordError) {
    let files = FileManager.default
    let names = try? files.contentsOfDirectory(atPath: path)
    guard let names, names.isEmpty || names.contains(where: signs.contains) else {
      throw .cannotCreate(
        "\(path): is not a run directory, and --overwrite replaces nothing else; choose another --run"
      )
    }
    do {
      try files.removeItem(atPath: path)
    } catch {
      throw .cannotCreate("\(path): can't be replaced: \(error.localizedDescription)")
    }
  }

  /// Deletes the directory, for a run that fails before it has results to keep.
  package func discard() {
    try? FileManager.default.removeItem(atPath: path)
  }
}

/// What can go wrong with the files of a run directory.
public enum RunRecordError: Error, Equatable, Sendable {
  /// The system reported an error while a file was opened or read.
  case readFailed(path: String, reason: String)
  /// The system reported an error while a file was created or written.
  case writeFailed(path: String, reason: String)
  /// A line of a log (counted from 1) is not a record.
  case malformedRecord(path: String, line: Int)
  /// A file or a run directory does not exist, or can't be read.
  case missing(String)
  /// The content of a file is invalid.
  case damaged(String)
  /// A configuration file has content that can't be used.
  case badConfiguration(String)
  /// The run directory can't be created.
  case cannotCreate(String)
}

extension RunRecordError: ReportableError {
  public var exitStatus: ExitStatus {
    switch self {
    case .readFailed, .writeFailed, .malformedRecord: .inputOutput
    case .missing: .missingInput
    case .damaged: .badData
    case .badConfiguration: .configuration
    case .cannotCreate: .cannotCreate
    }
  }

  /// One line: what happened, where, and what to do about it.
  public var description: String {
    switch self {
    case .readFailed(let path, let reason): "reading '\(path)' failed: \(reason)"
    case .writeFailed(let path, let reason): "writing '\(path)' failed: \(reason)"
    case .malformedRecord(let path, let line):
      "'\(path)' line \(line) is not a valid record; move the file away to continue without it"
    case .missing(let message), .damaged(let message), .badConfiguration(let message),
      .cannotCreate(let message):
      message
    }
  }
}
