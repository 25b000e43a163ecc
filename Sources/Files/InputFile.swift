// SPDX-License-Identifier: Apache-2.0
internal import Failures
internal import Glibc

/// A regular file that is open for reading, at any offset and from any thread.
package final class InputFile<Failure: FileErrorConvertible>: Sendable {
  /// The path as it was given.
  package let path: String
  /// The size in bytes at the time of opening.
  package let size: Int
  private let descriptor: Int32

  /// Opens a file.
  ///
  /// - Throws: `FileError` as a `Failure`: `.cannotOpen`; `.notRegularFile` for folders, pipes and
  ///   devices; `.readFailed`.
  package init(path: String) throws(Failure) {
    // Without O_NONBLOCK, opening a named pipe would wait for its writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw Failure(.cannotOpen(path: path, .last)) }
    var status = stat()
    let result = fstat(descriptor, &status)
    // From here on `deinit` closes the file.
    self.path = path
    self.size = Int(status.st_size)
    self.descriptor = descriptor
    guard result == 0 else {
      throw Failure(.readFailed(path: path, reason: SystemError.lastText))
    }
    guard status.st_mode & S_IFMT == S_IFREG else { throw Failure(.notRegularFile(path: path)) }
  }

  deinit {
    close(descriptor)
  }

  /// Fills `destination` with the bytes from `offset` on.
  ///
  /// - Throws: `FileError` as a `Failure`: `.readFailed`; `.endsEarly`.
  package func read(
    at offset: Int, into destination: UnsafeMutableRawBufferPointer
  ) throws(Failure) {
    var done = 0
    while done < destination.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: destination[done...])
      let count = try readSome(at: offset + done, into: rest)
      guard count > 0 else { throw Failure(.endsEarly(path: path)) }
      done += count
    }
  }

  /// Returns the `count` bytes from `offset` on; the caller has checked `count` against `size`.
  ///
  /// - Throws: As `read(at:into:)`.
  package func bytes(at offset: Int, count: Int) throws(Failure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBufferPointer { buffer throws(Failure) in
      try read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
    }
    return bytes
  }

  /// Calls `body` with each complete line, line feed included, and its number, counted from 1.
  ///
  /// A last line without a line feed, which a crash may leave, is left out.
  /// - Throws: `FileError.readFailed` as a `Failure`, and what `body` throws.
  package func forEachLine(_ body: ([UInt8], Int) throws -> Void) throws {
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    var line: [UInt8] = []
    var number = 0
    var offset = 0
    while true {
      let count = try piece.withUnsafeMutableBytes { try readSome(at: offset, into: $0) }
      if count == 0 { return }
      offset += count
      var rest = piece[..<count]
      while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        line.append(contentsOf: rest[...end])
        number += 1
        try body(line, number)
        line.removeAll(keepingCapacity: true)
        rest = rest[(end + 1)...]
      }
      line.append(contentsOf: rest)
    }
  }

  /// Reads at least one byte into `destination`, unless the file ends at `offset`; returns how many.
  private func readSome(
    at offset: Int, into destination: UnsafeMutableRawBufferPointer
  ) throws(Failure) -> Int {
    while true {
      let count = pread(descriptor, destination.baseAddress, destination.count, off_t(offset))
      if count >= 0 { return count }
      guard errno == EINTR else {
        throw Failure(.readFailed(path: path, reason: SystemError.lastText))
      }
    }
  }
}
