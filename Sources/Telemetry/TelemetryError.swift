// SPDX-License-Identifier: Apache-2.0

/// What can go wrong with logs and summaries.
public enum TelemetryError: Error, Equatable, Sendable {
  /// The system reported an error while a file was opened or read.
  case readFailed(path: String, reason: String)
  /// The system reported an error while a file was made or written.
  case writeFailed(path: String, reason: String)
  /// A line of a log (counted from 1) is no record.
  case malformedRecord(path: String, line: Int)
}

extension TelemetryError: CustomStringConvertible {
  /// One line: what happened, and where.
  public var description: String {
    switch self {
    case .readFailed(let path, let reason): "reading '\(path)' failed: \(reason)"
    case .writeFailed(let path, let reason): "writing '\(path)' failed: \(reason)"
    case .malformedRecord(let path, let line):
      "'\(path)' line \(line) is no record; move the file away to go on without it"
    }
  }
}
