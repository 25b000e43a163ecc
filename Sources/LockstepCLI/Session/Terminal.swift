// SPDX-License-Identifier: Apache-2.0
import Failures
import Foundation

/// Writes to standard output and standard error.
enum Terminal {
  enum Stream: Int32 {
    case standardOutput = 1
    case standardError = 2
  }

  /// Writes all of a text; a closed pipe is no reason to stop.
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

  /// Tells a person, on standard error, what was decided without asking.
  static func note(_ text: String) { write("lockstep: note: \(text)\n", to: .standardError) }

  /// The width of the terminal, nil where progress is written line by line.
  ///
  /// Ranks under mpirun have no terminal of their own; the launcher passes on the width of its own.
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

/// The end of the program with an error: a status, and what rank 0 reports about it.
struct ProgramExit: Error {
  let status: ExitStatus
  let message: String?

  init(_ status: ExitStatus, _ message: String?) {
    self.status = status
    self.message = message
  }

  /// The end that an error leads to in a command that runs without MPI.
  init(_ error: any Error) {
    let failure = Failure(error)
    self.init(failure.status, failure.message)
  }

  func leave() -> Never {
    if let message { Terminal.write("lockstep: \(message)\n", to: .standardError) }
    exit(status.rawValue)
  }
}

/// What commands print as JSON.
enum JSONOutput {
  /// A value as a JSON object with sorted keys in snake case, on several lines.
  static func text(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
  }
}
