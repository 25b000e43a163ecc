// SPDX-License-Identifier: Apache-2.0
internal import Failures
internal import Glibc

/// Folders and paths.
enum FileSystem {
  /// The folder that a path's last component lies in.
  static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// Makes a folder and those that it lies in, where they are not there yet.
  static func makeFolders(_ path: String) throws {
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

  /// The names of what lies in a folder, in no particular order.
  static func names(in folder: String) throws -> [String] {
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
