// SPDX-License-Identifier: Apache-2.0
internal import Failures
internal import Glibc

/// A file that is open for writing: a log that grows, or a file that is published as a whole.
///
/// A log is opened with `init(path:truncating:)`. A file that readers must never see half-written is
/// written by `publish(_:calls:content:)`.
package final class OutputFile<Failure: FileErrorConvertible> {
  /// The path that errors name: of a file that is being published, its final path.
  package let path: String
  private let calls: SystemCalls
  /// The open descriptor, or -1.
  private var descriptor: Int32
  /// The size of a log, which a write that fails is cut back to; nil for a file to be published,
  /// which is removed then.
  private var logSize: off_t?

  /// Opens a log, which is created if it does not exist.
  ///
  /// - Parameter truncating: Whether to empty the file; otherwise bytes are appended.
  /// - Throws: `FileError.writeFailed` as a `Failure`.
  package init(path: String, truncating: Bool) throws(Failure) {
    let flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND | (truncating ? O_TRUNC : 0)
    self.path = path
    calls = .live
    descriptor = open(path, flags, 0o666)
    var status = stat()
    guard descriptor >= 0, fstat(descriptor, &status) == 0 else { throw failure(.last) }
    logSize = status.st_size
  }

  private init(publishing path: String, through calls: SystemCalls) throws(SystemError) {
    self.path = path
    self.calls = calls
    descriptor = try calls.create(path + FileSystem.partialSuffix)
  }

  deinit {
    if descriptor >= 0 { try? calls.close(descriptor) }
  }

  /// Writes all of the text; on failure, a log is as it was before.
  ///
  /// - Throws: `FileError.writeFailed` as a `Failure`.
  package func write(_ text: String) throws(Failure) {
    try Array(text.utf8).withUnsafeBufferPointer { bytes throws(Failure) in
      try write(UnsafeRawBufferPointer(bytes))
    }
  }

  /// Writes all of the bytes, in as many calls as the system needs.
  ///
  /// - Throws: As `write(_:)` of text.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    var rest = bytes[...]
    do throws(SystemError) {
      while !rest.isEmpty {
        let written = try calls.write(descriptor, UnsafeRawBufferPointer(rebasing: rest))
        guard written > 0 else { throw SystemError(EIO) }
        rest = rest.dropFirst(written)
      }
    } catch {
      if let logSize { _ = ftruncate(descriptor, logSize) }
      throw failure(error)
    }
    if let logSize { self.logSize = logSize + off_t(bytes.count) }
  }

  /// Moves back to the first byte, so that the next write replaces what was written there.
  ///
  /// Only for files that are being published.
  /// - Throws: `FileError.writeFailed` as a `Failure`.
  package func rewind() throws(Failure) {
    precondition(logSize == nil, "a log only grows")
    do { try calls.rewind(descriptor) } catch { throw failure(error) }
  }

  private func failure(_ error: SystemError) -> Failure {
    Failure(.writeFailed(path: path, reason: error.text))
  }
}

// MARK: - Logs

extension OutputFile {
  /// Waits until everything written is on the disk.
  ///
  /// - Throws: `FileError.writeFailed` as a `Failure`, also if the file has been removed.
  package func synchronize() throws(Failure) {
    try Self.synchronize(descriptor, path)
  }

  /// Waits until the content of a log is on the disk that another thread may be writing to.
  ///
  /// - Throws: As `synchronize()`.
  package static func synchronize(_ path: String) throws(Failure) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw Failure(.writeFailed(path: path, reason: SystemError.lastText))
    }
    defer { Glibc.close(descriptor) }
    try synchronize(descriptor, path)
  }

  private static func synchronize(_ descriptor: Int32, _ path: String) throws(Failure) {
    var status = stat()
    do throws(SystemError) {
      _ = try check(fstat(descriptor, &status))
      try flush(descriptor)
    } catch {
      throw Failure(.writeFailed(path: path, reason: error.text))
    }
    guard status.st_nlink > 0 else {
      throw Failure(.writeFailed(path: path, reason: "the file was removed meanwhile"))
    }
  }

  /// Waits until everything written is on the disk, and closes the file; a second call does nothing.
  ///
  /// - Throws: `FileError.writeFailed` as a `Failure`; the file is closed even then.
  package func close() throws(Failure) {
    guard descriptor >= 0 else { return }
    defer { descriptor = -1 }
    do {
      try synchronize()
    } catch {
      Glibc.close(descriptor)
      throw error
    }
    guard Glibc.close(descriptor) == 0 else { throw failure(.last) }
  }
}

// MARK: - Publication

extension OutputFile {
  /// Writes a file under a temporary name, waits for the disk, then renames it.
  ///
  /// A reader of `path` finds the old content or the new, never a part, even after a crash; when
  /// this returns, the new content survives one.
  /// - Throws: `FileError.writeFailed` as a `Failure`, and what `content` throws. Either way the
  ///   file that was at `path` is untouched, except if only the last step failed, which makes the
  ///   renaming durable.
  package static func publish(
    _ path: String, calls: SystemCalls = .live, content: (OutputFile) throws -> Void
  ) throws {
    let partial = path + FileSystem.partialSuffix
    do {
      let file = try OutputFile(publishing: path, through: calls)
      try content(file)
      try calls.synchronize(file.descriptor)
      let descriptor = file.descriptor
      file.descriptor = -1
      try calls.close(descriptor)
      try calls.rename(partial, path)
      try calls.synchronizeFolder(FileSystem.folder(of: path))
    } catch {
      try? calls.remove(partial)
      guard let error = error as? SystemError else { throw error }
      throw Failure(.writeFailed(path: path, reason: error.text))
    }
  }
}
