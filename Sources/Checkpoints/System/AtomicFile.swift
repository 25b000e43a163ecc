// SPDX-License-Identifier: Apache-2.0
internal import Failures
internal import Glibc

/// Files that come into being whole or not at all.
package enum AtomicFile {
  /// What a file's name ends with until it is complete.
  package static let partialSuffix = ".partial"

  /// Writes a file beside its place, waits for the disk, then moves it into its place.
  ///
  /// Whoever looks at `path` sees the old content or the new, never a part, even after a crash.
  /// - Throws: `CheckpointError.writeFailed`; what was at `path` is then untouched, unless only the
  ///   last step failed, which makes the renaming durable.
  static func publish(
    _ path: String, calls: SystemCalls, content: (FileOutput) throws -> Void
  ) throws {
    let partial = path + partialSuffix
    do {
      try write(partial, calls: calls, content: content)
      try calls.rename(partial, path)
      try calls.synchronizeFolder(FileSystem.folder(of: path))
    } catch {
      try? calls.remove(partial)
      guard let error = error as? SystemError else { throw error }
      throw CheckpointError.writeFailed(path: path, reason: error.text)
    }
  }

  private static func write(
    _ path: String, calls: SystemCalls, content: (FileOutput) throws -> Void
  ) throws {
    let descriptor = try calls.create(path)
    do {
      try content(FileOutput(descriptor: descriptor, calls: calls))
      try calls.synchronize(descriptor)
    } catch {
      try? calls.close(descriptor)
      throw error
    }
    try calls.close(descriptor)
  }
}

/// A file that is being written, front to back.
struct FileOutput {
  let descriptor: Int32
  let calls: SystemCalls

  /// Writes all of the bytes, in as many calls as the system needs.
  func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = try calls.write(descriptor, UnsafeRawBufferPointer(rebasing: rest))
      guard written > 0 else { throw SystemError(EIO) }
      rest = rest.dropFirst(written)
    }
  }
}
