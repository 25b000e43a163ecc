// SPDX-License-Identifier: Apache-2.0
internal import Failures
package import Files

/// A folder of checkpoints, one file per step, with a small file `latest` that names the newest, and
/// where a run tells checkpoints apart by their worth, a file `best` that names the best.
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

  /// Names the folder that a checkpoint's file is in, for reading.
  package init(siblingsOf file: String) {
    self.init(path: FileSystem.folder(of: file))
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

// MARK: - The newest and the best checkpoint

extension CheckpointFolder {
  private static let latestName = "latest"
  private static let bestName = "best"

  /// The checkpoint that the file `latest` names, or nil if either file does not exist.
  ///
  /// After a crash it may be one checkpoint behind; `newestIntact()` is not.
  /// - Throws: `CheckpointError.malformed` if the content is not the name of a checkpoint;
  ///   `.readFailed`.
  public func latest() throws -> Entry? {
    let names = try names()
    guard let entry = try entry(namedIn: Self.latestName, among: names) else { return nil }
    return names.contains(Self.fileName(step: entry.step)) ? entry : nil
  }

  /// The checkpoint that the file `best` names, or nil if there is no such file.
  ///
  /// - Throws: `CheckpointError.malformed` if the content is not the name of a checkpoint, or that
  ///   of one that does not exist; `.readFailed`.
  public func best() throws -> Entry? {
    let names = try names()
    guard let entry = try entry(namedIn: Self.bestName, among: names) else { return nil }
    let name = Self.fileName(step: entry.step)
    guard names.contains(name) else {
      throw CheckpointError.malformed(
        path: file(Self.bestName), what: "it names \(name), which does not exist")
    }
    return entry
  }

  /// The checkpoint that a small file names, whether it exists or not; nil without such a file.
  private func entry(namedIn pointer: String, among names: [String]) throws -> Entry? {
    guard names.contains(pointer) else { return nil }
    let input = try InputFile<CheckpointError>(path: file(pointer))
    let content = try input.bytes(at: 0, count: min(input.size, 100))
    let text = String(decoding: content, as: UTF8.self)
    let name = text.hasSuffix("\n") ? String(text.dropLast()) : text
    guard let step = Self.step(ofFileName: name) else {
      throw CheckpointError.malformed(path: input.path, what: "it does not name a checkpoint")
    }
    return Entry(step: step, path: file(name))
  }

  /// The checkpoint that a path stands for: the best or the newest one for the path of a file `best`
  /// or `latest`; nil for any other path.
  ///
  /// - Throws: As ``best()`` and ``latest()``, and `CheckpointError.missing` if there is none.
  package static func entry(namedBy path: String) throws -> Entry? {
    let folder = CheckpointFolder(path: FileSystem.folder(of: path))
    let found: Entry?
    switch path.split(separator: "/").last.map(String.init) {
    case bestName: found = try folder.best()
    case latestName: found = try folder.latest()
    default: return nil
    }
    guard let found else {
      throw CheckpointError.missing(path: path, reason: "the checkpoint that it names is not there")
    }
    return found
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
        return Search(checkpoint: try checkpoint(entry), skipped: skipped)
      } catch let error as CheckpointError {
        skipped.append(error)
      }
    }
    return Search(checkpoint: nil, skipped: skipped)
  }

  /// Opens a checkpoint, and checks every byte of it.
  ///
  /// - Throws: `CheckpointError` if it is missing, damaged, or of another step than its name says.
  package func checkpoint(_ entry: Entry) throws -> Checkpoint {
    let checkpoint = try Checkpoint(path: entry.path)
    guard checkpoint.metadata.step == entry.step else {
      throw CheckpointError.malformed(
        path: entry.path,
        what: "it holds step \(checkpoint.metadata.step), not the step in its name")
    }
    try checkpoint.verify()
    return checkpoint
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

  /// Makes `best` name the checkpoint of a step, which must exist.
  ///
  /// - Throws: `CheckpointError.writeFailed`; what `best` named before is then unchanged.
  public func publishBest(step: Int) throws {
    try OutputFile<CheckpointError>.publish(file(Self.bestName), calls: calls) {
      try $0.write(Self.fileName(step: step) + "\n")
    }
  }

  /// Makes `best` name the checkpoint of a step if that exists, and removes the file `best` otherwise,
  /// whatever a run that crashed or had other options has left.
  ///
  /// - Throws: `CheckpointError.readFailed`, `.writeFailed`.
  public func repairBest(step: Int?) throws {
    if let step, try names().contains(Self.fileName(step: step)) {
      if (try? best())?.step != step { try publishBest(step: step) }
    } else if try names().contains(Self.bestName) {
      try remove(file(Self.bestName))
    }
  }

  /// Removes the checkpoint of a step, if there is one.
  ///
  /// - Throws: `CheckpointError.writeFailed` if the file can't be removed.
  public func remove(step: Int) throws {
    try remove(path(step: step))
  }

  /// Copies the checkpoint of a step from another folder into this one, byte for byte.
  ///
  /// - Throws: `CheckpointError` if it is missing or damaged, or its copy can't be written.
  public func copy(step: Int, from other: CheckpointFolder) throws {
    let checkpoint = try other.checkpoint(Entry(step: step, path: other.path(step: step)))
    let input = try InputFile<CheckpointError>(path: checkpoint.path)
    try OutputFile<CheckpointError>.publish(path(step: step), calls: calls) { output in
      let pieceSize = 1 << 20
      for start in stride(from: 0, to: input.size, by: pieceSize) {
        let piece = try input.bytes(at: start, count: min(pieceSize, input.size - start))
        try piece.withUnsafeBytes { try output.write($0) }
      }
    }
  }

  /// Removes all checkpoints but the newest `count`, at least one, and the one of step `best`.
  ///
  /// Those that the files `latest` and `best` name are never removed.
  /// - Returns: The removed checkpoints, oldest first.
  /// - Throws: `CheckpointError.writeFailed` if a file can't be removed.
  @discardableResult
  public func keep(_ count: Int, best: Int? = nil) throws -> [Entry] {
    let spared = [best, try? latest()?.step, try? self.best()?.step]
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
      guard
        [Self.latestName, Self.bestName].contains(complete)
          || Self.step(ofFileName: complete) != nil
      else { continue }
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
