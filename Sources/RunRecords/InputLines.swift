// SPDX-License-Identifier: Apache-2.0
internal import Failures
internal import Glibc

/// The complete lines of a file, read a piece at a time.
///
/// A last line without its line feed, which a crash may leave, is not among them.
struct InputLines {
  /// Calls `body` with each line (line feed included) and its number, counted from 1.
  static func forEach(in path: String, _ body: ([UInt8], Int) throws -> Void) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw RunRecordError.readFailed(path: path, reason: SystemError.lastText)
    }
    defer { close(descriptor) }
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    var line: [UInt8] = []
    var number = 0
    while true {
      let got = piece.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else {
        throw RunRecordError.readFailed(path: path, reason: SystemError.lastText)
      }
      if got == 0 { return }
      var rest = piece[..<got]
      while let end = rest.firstIndex(of: 0x0A) {
        line.append(contentsOf: rest[...end])
        number += 1
        try body(line, number)
        line.removeAll(keepingCapacity: true)
        rest = rest[(end + 1)...]
      }
      line.append(contentsOf: rest)
    }
  }
}
