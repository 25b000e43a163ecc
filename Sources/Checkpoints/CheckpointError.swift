// SPDX-License-Identifier: Apache-2.0
public import Failures
package import Files

/// What can go wrong with a checkpoint.
public enum CheckpointError: Error, Equatable, Sendable {
  /// The file does not exist, or may not be opened.
  case missing(path: String, reason: String)
  /// The content of the file is not what it must be: damaged, truncated or of another format.
  case malformed(path: String, what: String)
  /// The file was written by a later version of Lockstep, in a format that this one does not know.
  case newerFormat(path: String, version: Int)
  /// A folder for checkpoints could not be created.
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

  /// One line: what is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .missing(let path, let reason):
      "can't open '\(path)': \(reason); check the path"
    case .malformed(let path, let what):
      "'\(path)' can't be used: \(what); use another checkpoint"
    case .newerFormat(let path, let version):
      "'\(path)' has checkpoint format \(version), this program knows format "
        + "\(CheckpointMetadata.currentFormatVersion); use the newer Lockstep that wrote it"
    case .cannotCreate(let path, let reason):
      "can't create the folder '\(path)': \(reason); choose another path or change its permissions"
    case .readFailed(let path, let reason):
      "reading '\(path)' failed: \(reason); check the disk"
    case .writeFailed(let path, let reason):
      "writing '\(path)' failed: \(reason); earlier checkpoints are untouched"
    }
  }
}

extension CheckpointError: FileErrorConvertible {
  package init(_ error: FileError) {
    self =
      switch error {
      case .cannotOpen(let path, let error): .missing(path: path, reason: error.text)
      case .notRegularFile(let path): .malformed(path: path, what: "it is not a regular file")
      case .endsEarly(let path): .malformed(path: path, what: "the file is truncated")
      case .readFailed(let path, let reason): .readFailed(path: path, reason: reason)
      case .writeFailed(let path, let reason): .writeFailed(path: path, reason: reason)
      }
  }
}

/// Content that violates the format, thrown where the path of the file is not known.
struct MalformedContent: Error {
  let what: String

  init(_ what: String) {
    self.what = what
  }
}

/// Text from a file in the form in which a message may quote it: one line, and not too long.
func printable(_ text: String) -> String {
  let safe = text.unicodeScalars.prefix(80).map { scalar in
    scalar.properties.generalCategory == .control ? "?" : Character(scalar)
  }
  return String(safe)
}
