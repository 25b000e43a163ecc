// SPDX-License-Identifier: Apache-2.0
package import Failures
internal import Glibc

/// Folders and paths.
package enum FileSystem {
  /// The suffix of a file that is not complete yet (see `OutputFile.publish`).
  package static let partialSuffix = ".partial"

  /// Whether a file or folder exists.
  package static func exists(_ path: String) -> Bool {
    access(path, F_OK) == 0
  }

  /// The folder of a path's last component.
  package static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// Creates a folder and its parents, where they don't exist yet.
  package static func makeFolders(_ path: String) throws(SystemError) {
    if mkdir(path, 0o777) == 0 { return }
    switch errno {
    case EEXIST:
      var status = stat()
      _ = try check(stat(path, &status))
      guard status.st_mode & S_IFMT == S_IFDIR else { throw SystemError(ENOTDIR) }
    case ENOENT where folder(of: path) != path && !path.isEmpty:
      try makeFolders(folder(of: path))
      if mkdir(path, 0o777) != 0, errno != EEXIST { throw SystemError.last }
    default:
      throw SystemError.last
    }
  }

  /// The names of the entries of a folder, in no particular order.
  package static func names(in folder: String) throws(SystemError) -> [String] {
    guard let stream = opendir(folder) else { throw SystemError.last }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        guard errno == 0 else { throw SystemError.last }
        return names
      }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
  }
}

/// The system calls that publish a file (see `OutputFile.publish`).
///
/// Tests substitute calls that fail, to find out what a full disk or a crash leaves behind.
package struct SystemCalls: Sendable {
  /// Opens an empty file for writing, created if it does not exist; returns its descriptor.
  package var create: @Sendable (_ path: String) throws(SystemError) -> Int32
  /// Writes some of the bytes, from the current offset; returns how many.
  package var write:
    @Sendable (_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) throws(SystemError) -> Int
  /// Sets the offset to the first byte.
  package var rewind: @Sendable (_ descriptor: Int32) throws(SystemError) -> Void
  /// Waits until the bytes of a file are on the disk.
  package var synchronize: @Sendable (_ descriptor: Int32) throws(SystemError) -> Void
  /// Closes a descriptor.
  package var close: @Sendable (_ descriptor: Int32) throws(SystemError) -> Void
  /// Renames a file, which replaces a file of the new name.
  package var rename: @Sendable (_ from: String, _ to: String) throws(SystemError) -> Void
  /// Waits until the entries of a folder are on the disk.
  package var synchronizeFolder: @Sendable (_ path: String) throws(SystemError) -> Void
  /// Removes a file.
  package var remove: @Sendable (_ path: String) throws(SystemError) -> Void

  /// The operating system's calls.
  package static let live = SystemCalls(
    create: { path throws(SystemError) in
      try check(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666))
    },
    write: { descriptor, bytes throws(SystemError) in try writeSome(descriptor, bytes) },
    rewind: { descriptor throws(SystemError) in
      guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw SystemError.last }
    },
    synchronize: { descriptor throws(SystemError) in try flush(descriptor) },
    close: { descriptor throws(SystemError) in _ = try check(Glibc.close(descriptor)) },
    rename: { from, to throws(SystemError) in _ = try check(Glibc.rename(from, to)) },
    synchronizeFolder: { path throws(SystemError) in
      let descriptor = try check(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
      defer { Glibc.close(descriptor) }
      try flush(descriptor)
    },
    remove: { path throws(SystemError) in _ = try check(unlink(path)) })
}

/// Turns the -1 of a failed call into the error that the call left.
func check(_ result: Int32) throws(SystemError) -> Int32 {
  guard result >= 0 else { throw SystemError.last }
  return result
}

/// Writes some of the bytes; a signal that interrupts the call is no error.
func writeSome(
  _ descriptor: Int32, _ bytes: UnsafeRawBufferPointer
) throws(SystemError) -> Int {
  while true {
    let written = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
    if written >= 0 { return written }
    guard errno == EINTR else { throw SystemError.last }
  }
}

/// Waits until a file or folder is on the disk.
///
/// Pipes, devices and the folders of some file systems have no such operation and report `EINVAL`:
/// for those there is nothing to wait for.
func flush(_ descriptor: Int32) throws(SystemError) {
  if fsync(descriptor) != 0, errno != EINVAL { throw SystemError.last }
}
