// SPDX-License-Identifier: Apache-2.0
internal import Failures
internal import Glibc

/// An error number of the operating system.
package struct SystemError: Error, Equatable {
  /// The C constant's value, such as `ENOSPC`.
  package let code: Int32

  /// Wraps an error number.
  package init(_ code: Int32) {
    self.code = code
  }

  /// The error that the last call left in `errno`.
  static var last: SystemError { SystemError(errno) }

  /// Whether the error says that there is no such file.
  var isNotFound: Bool { code == ENOENT }

  /// The system's text for the error, such as "No space left on device".
  package var text: String {
    strerror(code).map { String(cString: $0) } ?? "error \(code)"
  }
}

/// The system calls through which files are published.
///
/// Tests put failing ones in their place, to see what a full disk or a crash leaves behind.
package struct SystemCalls: Sendable {
  /// Opens an empty file for writing, made if need be; gives its descriptor.
  package var create: @Sendable (_ path: String) throws -> Int32
  /// Writes some of the bytes; gives how many.
  package var write: @Sendable (_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) throws -> Int
  /// Waits until a file's bytes are on the disk.
  package var synchronize: @Sendable (_ descriptor: Int32) throws -> Void
  /// Closes a descriptor.
  package var close: @Sendable (_ descriptor: Int32) throws -> Void
  /// Renames a file over another.
  package var rename: @Sendable (_ from: String, _ to: String) throws -> Void
  /// Waits until a folder's entries are on the disk.
  package var synchronizeFolder: @Sendable (_ path: String) throws -> Void
  /// Removes a file.
  package var remove: @Sendable (_ path: String) throws -> Void

  /// The real ones.
  package static let live = SystemCalls(
    create: { try check(open($0, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)) },
    write: { try writeSome($0, $1) },
    synchronize: { _ = try check(fsync($0)) },
    close: { _ = try check(Glibc.close($0)) },
    rename: { _ = try check(Glibc.rename($0, $1)) },
    synchronizeFolder: { try synchronizeEntries(of: $0) },
    remove: { _ = try check(unlink($0)) })
}

/// Turns the -1 of a failed call into the error that it left.
func check(_ result: Int32) throws -> Int32 {
  guard result >= 0 else { throw SystemError.last }
  return result
}

private func writeSome(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) throws -> Int {
  while true {
    let written = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
    if written >= 0 { return written }
    guard errno == EINTR else { throw SystemError.last }
  }
}

private func synchronizeEntries(of folder: String) throws {
  let descriptor = try check(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
  defer { Glibc.close(descriptor) }
  // Some file systems can't do this for folders, and say EINVAL: nothing more can be done there.
  if fsync(descriptor) != 0, errno != EINVAL { throw SystemError.last }
}
