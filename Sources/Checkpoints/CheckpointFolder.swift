// SPDX-License-Identifier: Apache-2.0
internal import Failures
package import Files

/// A folder of checkpoints, one file per step, with a small file `latest` that names the newest.
///
/// One process writes to it, any number may read. Each file appears complete or not at all.
public struct CheckpointFolder: Sendable {
  /// The path of the folder.
  public let path: String
  private let calls: SystemCalls

  /// Names a folder for reading; nothing is accessed yet.
  public init(path: String) {
    self.init(path: path, calls: .live)
  }

  /// Names a folder that is written to through other system calls than the live ones.
  package init(path: String, calls: SystemCalls) {
    self.path = path
    self.calls = calls
  }

  /// Opens a folder for writing: creates it if necessary, and removes partial files of earlier runs.
  ///
  /// Only the one process that writes to the folder may call this.
  /// - Throws: `CheckpointError.cannotCreate`, or `.writeFailed` if a partial file can't be removed.
  public static func open(_ path: String) throws -> CheckpointFolder {
    try open(path, calls: .live)
  }

  /// Opens a folder that is written to through other system calls than the live ones.
  package static func open(_ path: String, calls: SystemCalls) throws -> CheckpointFolder {
    do {
      try FileSystem.makeFolders(path)
    } catch {
      throw CheckpointError.cannotCreate(path: path, reason: error.text)
    }
    let folder = CheckpointFolder(path: path, calls: calls)
    try folder.removePartialFiles()
    return folder
  }

  /// A checkpoint in the folder, known by its name only: its content has not been read.
  public struct Entry: Equatable, Sendable {
    /// The number of steps that were completed.
    public let step: Int
    /// The path of the file.
    public let path: String
  }

  /// The checkpoints in the folder, sorted by step; empty if the folder does not exist.
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

  /// The path of the file for a step, whether it exists or not.
  public func path(step: Int) -> String {
    file(Self.fileName(step: step))
  }

  /// The step in the name of a checkpoint file, or nil if it is not such a name.
  private static func step(ofFileName name: String) -> Int? {
    guard name.hasPrefix("step-"), name.hasSuffix(".safetensors"),
      let step = Int(name.dropFirst(5).dropLast(12)), step >= 0, fileName(step: step) == name
    else { return nil }
    return step
  }

  private func file(_ name: String) -> String { path + "/" + name }

  private func names() throws(CheckpointError) -> [String] {
    do {
      return try FileSystem.names(in: path)
    } catch {
      if error.isNotFound { return [] }
      throw .readFailed(path: path, reason: error.text)
    }
  }
}

// MARK: - The newest checkpoint

extension CheckpointFolder {
  private static let latestName = "latest"

  /// The checkpoint that the file `latest` names, or nil if either file does not exist.
  ///
  /// After a crash it may be one checkpoint behind; `newestIntact()` is not.
  /// - Throws: `CheckpointError.malformed` if the content is not the name of a checkpoint;
  ///   `.readFailed`.
  public func latest() throws -> Entry? {
    let names = try names()
    guard names.contains(Self.latestName) else { return nil }
    let input = try InputFile<CheckpointError>(path: file(Self.latestName))
    let content = try input.bytes(at: 0, count: min(input.size, 100))
    let text = String(decoding: content, as: UTF8.self)
    let name = text.hasSuffix("\n") ? String(text.dropLast()) : text
    guard let step = Self.step(ofFileName: name) else {
      throw CheckpointError.malformed(path: input.path, what: "it does not name a checkpoint")
    }
    return names.contains(name) ? Entry(step: step, path: file(name)) : nil
  }

  /// The result of `newestIntact()`.
  public struct Search: Sendable {
    /// The newest checkpoint whose every byte matches its checksum, or nil if there is none.
    public let checkpoint: Checkpoint?
    /// Why each newer one was skipped, newest first.
    public let skipped: [CheckpointError]
  }

  /// Finds the newest checkpoint that is intact, starting with the newest.
  ///
  /// - Throws: `CheckpointError.readFailed` if the folder can't be read.
  public func newestIntact() throws -> Search {
    var skipped: [CheckpointError] = []
    for entry in try entries().reversed() {
      do {
        let checkpoint = try Checkpoint(path: entry.path)
        guard checkpoint.metadata.step == entry.step else {
          throw CheckpointError.malformed(
            path: entry.path,
            what: "it holds step \(checkpoint.metadata.step), not the step in its name")
        }
        try checkpoint.verify()
        return Search(checkpoint: checkpoint, skipped: skipped)
      } catch let error as CheckpointError {
        skipped.append(error)
      }
    }
    return Search(checkpoint: nil, skipped: skipped)
  }

  /// Why no checkpoint of the folder can be used, after a search that found none.
  ///
  /// - Returns: `.missing` if there is no checkpoint; `.malformed` if all are damaged.
  package func nothingIntact(_ search: Search) -> CheckpointError {
    guard let newest = search.skipped.first else {
      return .missing(path: path, reason: "there is no checkpoint in it")
    }
    guard search.skipped.count > 1 else { return newest }
    return .malformed(
      path: path,
      what: "none of its \(search.skipped.count) checkpoints is intact; the newest: \(newest)")
  }
}

// MARK: - Writing and retention

extension CheckpointFolder {
  /// Writes the checkpoint of `metadata.step`, then makes `latest` name it.
  ///
  /// When this returns, the file is on the disk and survives a crash. The bytes depend on nothing
  /// but the arguments.
  /// - Returns: The path of the file.
  /// - Throws: `CheckpointError.writeFailed`; earlier checkpoints are untouched, and no half-written
  ///   file is left. If only `latest` could not be replaced, the new checkpoint stays.
  @discardableResult
  public func write(tensors: [NamedTensor], metadata: CheckpointMetadata) throws -> String {
    precondition(metadata.step >= 0 && metadata.epoch >= 0, "step and epoch count from 0")
    precondition(
      metadata.positionInEpoch >= 0 && metadata.slices >= 1, "invalid position or slices")
    let name = Self.fileName(step: metadata.step)
    try SafetensorsWriter.write(
      tensors, metadata: metadata.strings, to: file(name), calls: calls)
    try OutputFile<CheckpointError>.publish(file(Self.latestName), calls: calls) {
      try $0.write(name + "\n")
    }
    return file(name)
  }

  /// Removes all checkpoints but the newest `count`, at least one, and the one of step `best`.
  ///
  /// The one that `latest` names is never removed.
  /// - Returns: The removed checkpoints, oldest first.
  /// - Throws: `CheckpointError.writeFailed` if a file can't be removed.
  @discardableResult
  public func keep(_ count: Int, best: Int? = nil) throws -> [Entry] {
    let spared = [best, try? latest()?.step]
    let removed = try entries().dropLast(max(count, 1)).filter { !spared.contains($0.step) }
    for entry in removed { try remove(entry.path) }
    return removed
  }

  /// Removes files whose writing never finished.
  ///
  /// - Throws: `CheckpointError.writeFailed` if a file can't be removed.
  private func removePartialFiles() throws {
    for name in try names() where name.hasSuffix(FileSystem.partialSuffix) {
      let complete = String(name.dropLast(FileSystem.partialSuffix.count))
      guard complete == Self.latestName || Self.step(ofFileName: complete) != nil else { continue }
      try remove(file(name))
    }
  }

  private func remove(_ path: String) throws(CheckpointError) {
    do {
      try calls.remove(path)
    } catch  where !error.isNotFound {
      throw .writeFailed(path: path, reason: error.text)
    } catch {
      // Another process has removed it already.
    }
  }
}
