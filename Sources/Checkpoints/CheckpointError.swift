// SPDX-License-Identifier: Apache-2.0
public import Failures

/// What can go wrong with a checkpoint, with what its user needs to put it right.
public enum CheckpointError: Error, Equatable, Sendable {
  /// There is no such file, or it may not be opened.
  case missing(path: String, reason: String)
  /// The file is there, but its content is not what it must be: damaged, cut off or of another kind.
  case malformed(path: String, what: String)
  /// The file was written by a later version of Lockstep, in a form that this one does not know.
  case newerFormat(path: String, version: Int)
  /// A folder for checkpoints could not be made.
  case cannotCreate(path: String, reason: String)
  /// The system reported an error while a file was read.
  case readFailed(path: String, reason: String)
  /// The system reported an error while a file was written; no half-written file is left behind.
  case writeFailed(path: String, reason: String)
}

extension CheckpointError: ReportableError {
  public var exitStatus: ExitStatus {
    switch self {
    case .missing: .missingInput
    case .malformed, .newerFormat: .badData
    case .cannotCreate: .cannotCreate
    case .readFailed, .writeFailed: .inputOutput
    }
  }

  /// One line: what happened, where, and what to do.
  public var description: String {
    switch self {
    case .missing(let path, let reason):
      "can't open '\(path)': \(reason); check the path"
    case .malformed(let path, let what):
      "'\(path)' can't be used: \(what); take another checkpoint"
    case .newerFormat(let path, let version):
      "'\(path)' has checkpoint format \(version), this program knows format "
        + "\(CheckpointMetadata.currentFormatVersion); use the newer Lockstep that wrote it"
    case .cannotCreate(let path, let reason):
      "can't create the folder '\(path)': \(reason); choose another place or set its permissions"
    case .readFailed(let path, let reason):
      "reading '\(path)' failed: \(reason); check the disk"
    case .writeFailed(let path, let reason):
      "writing '\(path)' failed: \(reason); earlier checkpoints are untouched"
    }
  }
}

/// Content that breaks the format, before it is known which file it is from.
struct MalformedContent: Error {
  let what: String

  init(_ what: String) {
    self.what = what
  }
}
