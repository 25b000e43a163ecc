// SPDX-License-Identifier: Apache-2.0

/// Why data can't be used.
public enum DatasetError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What kind of mistake it is.
  public enum Kind: Sendable {
    /// The source is written wrongly, or asks for what can't be.
    case usage
    /// The content of a file is wrong.
    case content
    /// A file is missing or can't be read.
    case missing
  }

  /// A file or folder is not there, or can't be read.
  case unreadable(path: String, reason: String)
  /// What a file holds is not what it should be.
  case malformed(path: String, place: String, problem: String)
  /// The DATA argument or an option about it can't be understood.
  case usage(String)

  /// What kind of mistake it is.
  public var kind: Kind {
    switch self {
    case .unreadable: .missing
    case .malformed: .content
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
