// SPDX-License-Identifier: Apache-2.0
internal import Failures
internal import Glibc

/// A regular file that is open for reading, at any place and from any thread.
final class InputFile: Sendable {
  let path: String
  /// How many bytes the file had when it was opened.
  let size: Int
  private let descriptor: Int32

  init(path: String) throws {
    // Without O_NONBLOCK, opening a named pipe would wait for its writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw CheckpointError.missing(path: path, reason: SystemError.last.text)
    }
    var status = stat()
    let result = fstat(descriptor, &status)
    self.path = path
    self.size = Int(status.st_size)
    self.descriptor = descriptor
    guard result == 0 else {
      throw CheckpointError.readFailed(path: path, reason: SystemError.last.text)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw CheckpointError.malformed(path: path, what: "it is not a regular file")
    }
  }

  deinit {
    close(descriptor)
  }

  /// Fills `destination` with the bytes from `offset` on.
  func read(at offset: Int, into destination: UnsafeMutableRawBufferPointer) throws {
    var done = 0
    while done < destination.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: destination[done...])
      let got = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else {
        throw CheckpointError.readFailed(path: path, reason: SystemError.last.text)
      }
      guard got > 0 else {
        throw CheckpointError.malformed(path: path, what: "the file ends early")
      }
      done += got
    }
  }

  /// The `count` bytes from `offset` on; the caller has checked `count` against `size`.
  func bytes(at offset: Int, count: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBytes { try read(at: offset, into: $0) }
    return bytes
  }
}
