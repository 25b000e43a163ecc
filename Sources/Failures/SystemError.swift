// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// What the system says about a call that failed.
public enum SystemError {
  /// The text of an error number, such as "No such file or directory" (errno(3)).
  public static func text(_ number: Int32) -> String {
    strerror(number).map { String(cString: $0) } ?? "error \(number)"
  }

  /// The text of the error of this thread's last call that failed.
  public static var lastText: String { text(errno) }
}
