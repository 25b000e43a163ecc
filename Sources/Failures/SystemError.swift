// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// An error number of the operating system (errno(3)).
public struct SystemError: Error, Hashable, Sendable {
  /// The value of the C constant, such as `ENOSPC`.
  public let code: Int32

  /// Wraps an error number.
  public init(_ code: Int32) {
    self.code = code
  }

  /// The error of this thread's last system call that failed.
  public static var last: SystemError { SystemError(errno) }

  /// Whether a file or folder does not exist (`ENOENT`).
  public var isNotFound: Bool { code == ENOENT }

  /// The system's text for the error, such as "No such file or directory".
  public var text: String { Self.text(code) }

  /// The text of an error number.
  public static func text(_ number: Int32) -> String {
    strerror(number).map { String(cString: $0) } ?? "error \(number)"
  }

  /// The text of the error of this thread's last system call that failed.
  public static var lastText: String { text(errno) }
}
