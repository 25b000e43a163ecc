// SPDX-License-Identifier: Apache-2.0
public import Failures

/// Why data can't be used.
public enum DatasetError: ReportableError, Equatable, Sendable {
  /// A file or folder is not there, or can't be read.
  case unreadable(path: String, reason: String)
  /// What a file holds is not what it should be.
  case malformed(path: String, place: String, problem: String)
  /// The DATA argument or an option about it can't be understood.
  case usage(String)

  public var exitStatus: ExitStatus {
    switch self {
    case .unreadable: .missingInput
    case .malformed: .badData
    case .usage: .usage
    }
  }

  /// One sentence: what is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(path): \(reason)"
    case .malformed(let path, let place, let problem):
      place.isEmpty ? "\(path): \(problem)" : "\(path), \(place): \(problem)"
    case .usage(let words): words
    }
  }

  static func malformed(_ path: String, _ problem: String) -> DatasetError {
    .malformed(path: path, place: "", problem: problem)
  }
}
