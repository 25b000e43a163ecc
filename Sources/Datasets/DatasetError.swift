// SPDX-License-Identifier: Apache-2.0
public import Failures
package import Files

/// Why data can't be used.
public enum DatasetError: ReportableError, Equatable, Sendable {
  /// A file or folder does not exist, or can't be read.
  case unreadable(path: String, reason: String)
  /// The content of a file is not what it should be.
  case malformed(path: String, place: String, problem: String)
  /// The DATA argument or an option about it is invalid.
  case usage(String)

  public var exitStatus: ExitStatus {
    switch self {
    case .unreadable: .missingInput
    case .malformed: .badData
    case .usage: .usage
    }
  }

  /// One line: what is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(path): \(reason)"
    case .malformed(let path, let place, let problem):
      place.isEmpty ? "\(path): \(problem)" : "\(path), \(place): \(problem)"
    case .usage(let message): message
    }
  }

  static func malformed(_ path: String, _ problem: String) -> DatasetError {
    .malformed(path: path, place: "", problem: problem)
  }
}

extension DatasetError: FileErrorConvertible {
  package init(_ error: FileError) {
    self =
      switch error {
      case .cannotOpen(let path, let error):
        .unreadable(path: path, reason: error.isNotFound ? "no such file" : error.text)
      case .notRegularFile(let path): .unreadable(path: path, reason: "not a file")
      case .endsEarly(let path): .unreadable(path: path, reason: "could not be read to its end")
      case .readFailed(let path, let reason), .writeFailed(let path, let reason):
        .unreadable(path: path, reason: reason)
      }
  }
}
