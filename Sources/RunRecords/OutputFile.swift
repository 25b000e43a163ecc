// SPDX-License-Identifier: Apache-2.0
internal import Failures
internal import Glibc

/// A file that is open for writing; the only place of this module that writes to disk.
final class OutputFile {
  let path: String
  private var descriptor: Int32
  /// How many bytes the file has.
  private var size: off_t

  /// Opens a file, made if need be; `truncating` empties it, otherwise bytes are added at its end.
  init(path: String, truncating: Bool) throws {
    let flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND | (truncating ? O_TRUNC : 0)
    self.path = path
    descriptor = open(path, flags, 0o666)
    var status = stat()
    guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
      throw RunRecordError.writeFailed(path: path, reason: SystemError.lastText)
    }
    size = status.st_size
  }

  deinit {
    if descriptor >= 0 { Glibc.close(descriptor) }
  }

  /// Writes all of the text; on failure, what was written of it is cut off again.
  func write(_ text: String) throws {
    var text = text
    try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
  }

  private func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest)
      let written = Glibc.write(descriptor, part.baseAddress, part.count)
      if written < 0, errno == EINTR { continue }
      guard written > 0 else {
        let reason = SystemError.lastText
        _ = ftruncate(descriptor, size)
        throw RunRecordError.writeFailed(path: path, reason: reason)
      }
      rest = rest.dropFirst(written)
    }
    size += off_t(bytes.count)
  }

  /// Waits until all is on the disk.
  func synchronize() throws {
    try Self.synchronize(descriptor, path)
  }

  /// Waits until a file is on the disk that someone else writes to.
  static func synchronize(_ path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw RunRecordError.writeFailed(path: path, reason: SystemError.lastText)
    }
    defer { Glibc.close(descriptor) }
    try synchronize(descriptor, path)
  }

  private static func synchronize(_ descriptor: Int32, _ path: String) throws {
    var status = stat()
    // Pipes and devices such as /dev/stdout have no disk to wait for: EINVAL.
    guard fstat(descriptor, &status) == 0, fsync(descriptor) == 0 || errno == EINVAL else {
      throw RunRecordError.writeFailed(path: path, reason: SystemError.lastText)
    }
    guard status.st_nlink > 0 else {
      throw RunRecordError.writeFailed(path: path, reason: "the file was removed meanwhile")
    }
  }

  /// Waits until all is on the disk and closes the file; a second call does nothing.
  func close() throws {
    guard descriptor >= 0 else { return }
    defer { descriptor = -1 }
    do {
      try synchronize()
    } catch {
      Glibc.close(descriptor)
      throw error
    }
    guard Glibc.close(descriptor) == 0 else {
      throw RunRecordError.writeFailed(path: path, reason: SystemError.lastText)
    }
  }

  /// Writes a file beside its place and moves it there when it is complete and on the disk.
  static func publish(_ path: String, content: (OutputFile) throws -> Void) throws {
    let partial = path + ".partial"
    do {
      let file = try OutputFile(path: partial, truncating: true)
      try content(file)
      try file.close()
      guard rename(partial, path) == 0 else {
        throw RunRecordError.writeFailed(path: path, reason: SystemError.lastText)
      }
    } catch {
      unlink(partial)
      if case RunRecordError.writeFailed(partial, let reason) = error {
        throw RunRecordError.writeFailed(path: path, reason: reason)
      }
      throw error
    }
    try synchronizeFolder(of: path)
  }

  private static func synchronizeFolder(of path: String) throws {
    let slash = path.lastIndex(of: "/")
    let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { if descriptor >= 0 { Glibc.close(descriptor) } }
    guard descriptor >= 0, fsync(descriptor) == 0 || errno == EINVAL else {
      throw RunRecordError.writeFailed(path: path, reason: SystemError.lastText)
    }
  }
}
