// SPDX-License-Identifier: Apache-2.0

extension CheckpointFolder {
  static let latestName = "latest"

  /// What the file `latest` names, or nil where there is no such file or what it names is gone.
  ///
  /// After a crash it may be one checkpoint behind; `newestIntact()` is not.
  /// - Throws: `CheckpointError.malformed` where its content is no name of a checkpoint;
  ///   `.readFailed`.
  public func latest() throws -> Entry? {
    let names = try names()
    guard names.contains(Self.latestName) else { return nil }
    let input = try InputFile(path: file(Self.latestName))
    let content = try input.bytes(at: 0, count: min(input.size, 100))
    let text = String(decoding: content, as: UTF8.self)
    let name = text.hasSuffix("\n") ? String(text.dropLast()) : text
    guard let step = Self.step(ofFileName: name) else {
      throw CheckpointError.malformed(path: input.path, what: "it names no checkpoint")
    }
    return names.contains(name) ? Entry(step: step, path: file(name)) : nil
  }

  /// What `newestIntact()` found.
  public struct Search: Sendable {
    /// The newest checkpoint whose every byte matches its checksum, or nil where there is none.
    public let checkpoint: Checkpoint?
    /// Why each newer one was passed over, newest first.
    public let skipped: [CheckpointError]
  }

  /// Why no checkpoint of a folder can be used, after a search that found none.
  ///
  /// - Returns: `.missing` where there is no checkpoint; `.malformed` where all are damaged.
  package func nothingIntact(_ search: Search) -> CheckpointError {
    guard let newest = search.skipped.first else {
      return .missing(path: path, reason: "there is no checkpoint in it")
    }
    guard search.skipped.count > 1 else { return newest }
    return .malformed(
      path: path,
      what: "none of its \(search.skipped.count) checkpoints is intact; of the newest: \(newest)")
  }

  /// Finds the newest checkpoint that is intact, reading from the newest on back.
  ///
  /// - Throws: `CheckpointError.readFailed` where the folder can't be read.
  public func newestIntact() throws -> Search {
    var skipped: [CheckpointError] = []
    for entry in try entries().reversed() {
      do {
        let checkpoint = try Checkpoint(path: entry.path)
        guard checkpoint.metadata.step == entry.step else {
          throw CheckpointError.malformed(
            path: entry.path, what: "it is of step \(checkpoint.metadata.step), not of its name's")
        }
        try checkpoint.verify()
        return Search(checkpoint: checkpoint, skipped: skipped)
      } catch let error as CheckpointError {
        skipped.append(error)
      }
    }
    return Search(checkpoint: nil, skipped: skipped)
  }
}
