// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What the program writes to the person's terminal.
enum Terminal {
  enum Stream: Int32 {
    case standardOutput = 1
    case standardError = 2
  }

  /// Writes all of a text; a reader that has gone is no reason to stop.
  static func write(_ text: String, to stream: Stream) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes {
        Foundation.write(stream.rawValue, $0.baseAddress, $0.count)
      }
      guard count > 0 else {
        if count < 0 && errno == EINTR { continue }
        return
      }
      bytes = bytes.dropFirst(count)
    }
  }

  /// The width to draw progress in, or nil where lines are to be written one by one.
  ///
  /// Ranks under mpirun have no terminal of their own; the launcher tells about its own.
  static var width: Int? {
    let variables = ProcessInfo.processInfo.environment
    if variables["LOCKSTEP_TERMINAL"] == "1" {
      return variables["LOCKSTEP_TERMINAL_WIDTH"].flatMap { Int($0) } ?? 80
    }
    guard isatty(Stream.standardError.rawValue) == 1 else { return nil }
    var size = winsize()
    guard ioctl(Stream.standardError.rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
      return 80
    }
    return Int(size.ws_col)
  }
}
