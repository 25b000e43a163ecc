// SPDX-License-Identifier: Apache-2.0
internal import Failures

/// A folder of checkpoints, one file a step, with a small file `latest` that names the newest.
///
/// One process writes to it, any number may read. Each file appears whole or not at all.
public struct CheckpointFolder: Sendable {
  /// Where the folder is.
  public let path: String
  let calls: SystemCalls

  /// Names a folder for reading; nothing is touched.
  public init(path: String) {
    self.init(path: path, calls: .live)
  }

  /// Names a folder that is written through other system calls than the real ones.
  package init(path: String, calls: SystemCalls) {
    self.path = path
    self.calls = calls
  }

  /// Opens a folder for writing: makes it where need be, and removes what dead runs left unfinished.
  ///
  /// Only the one process that writes to the folder calls this.
  /// - Throws: `CheckpointError.cannotCreate`, or `.writeFailed` where a leftover can't be removed.
  public static func open(_ path: String) throws -> CheckpointFolder {
    try open(path, calls: .live)
  }

  /// Opens a folder that is written through other system calls than the real ones.
  package static func open(_ path: String, calls: SystemCalls) throws -> CheckpointFolder {
    do {
      try FileSystem.makeFolders(path)
    } catch let error as SystemError {
      throw CheckpointError.cannotCreate(path: path, reason: error.text)
    }
    let folder = CheckpointFolder(path: path, calls: calls)
    try folder.removePartialFiles()
    return folder
  }

  /// A checkpoint in the folder, by its name alone: it has not been looked into.
  public struct Entry: Equatable, Sendable {
    /// The step after which it was taken.
    public let step: Int
    /// Where the file is.
    public let path: String
  }

  /// The checkpoints in the folder, sorted by step; none where there is no such folder.
  ///
  /// - Throws: `CheckpointError.readFailed`.
  public func entries() throws -> [Entry] {
    try names().compactMap { name in
      Self.step(ofFileName: name).map { Entry(step: $0, path: file(name)) }
    }.sorted { $0.step < $1.step }
  }

  /// The name of the file for a step, such as `step-000000120.safetensors`.
  public static func fileName(step: Int) -> String {
    let digits = String(step)
    return "step-" + String(repeating: "0", count: max(0, 9 - digits.count)) + digits
      + ".safetensors"
  }

  /// The path of the file for a step, whether or not there is one.
  public func path(step: Int) -> String {
    file(Self.fileName(step: step))
  }

  /// The step that a file name stands for, or nil for names that are not a checkpoint's.
  static func step(ofFileName name: String) -> Int? {
    guard name.hasPrefix("step-"), name.hasSuffix(".safetensors"),
      let step = Int(name.dropFirst(5).dropLast(12)), step >= 0, fileName(step: step) == name
    else { return nil }
    return step
  }

  func file(_ name: String) -> String { path + "/" + name }

  func names() throws -> [String] {
    do {
      return try FileSystem.names(in: path)
    } catch let error as SystemError {
      if error.isNotFound { return [] }
      throw CheckpointError.readFailed(path: path, reason: error.text)
    }
  }
}
