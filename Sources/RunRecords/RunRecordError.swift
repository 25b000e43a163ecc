// SPDX-License-Identifier: Apache-2.0
public import Failures

/// What can go wrong with the files of a run directory.
public enum RunRecordError: Error, Equatable, Sendable {
  /// The system reported an error while a file was opened or read.
  case readFailed(path: String, reason: String)
  /// The system reported an error while a file was made or written.
  case writeFailed(path: String, reason: String)
  /// A line of a log (counted from 1) is no record.
  case malformedRecord(path: String, line: Int)
  /// A file or a run directory is not there, or can't be read.
  case missing(String)
  /// The content of a file is not what it must be.
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

  /// One line: what happened, where, and what to do.
  public var description: String {
    switch self {
    case .readFailed(let path, let reason): "reading '\(path)' failed: \(reason)"
    case .writeFailed(let path, let reason): "writing '\(path)' failed: \(reason)"
    case .malformedRecord(let path, let line):
      "'\(path)' line \(line) is no record; move the file away to continue without it"
    case .missing(let message), .damaged(let message), .badConfiguration(let message),
      .cannotCreate(let message):
      message
    }
  }
}
