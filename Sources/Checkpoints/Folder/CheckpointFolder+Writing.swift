// SPDX-License-Identifier: Apache-2.0
internal import Failures

extension CheckpointFolder {
  /// Writes the checkpoint of `metadata.step`, then lets `latest` name it.
  ///
  /// When this returns, the file is on the disk and will be found after a crash. The bytes depend on
  /// nothing but the arguments.
  /// - Returns: The file's path.
  /// - Throws: `CheckpointError.writeFailed`; earlier checkpoints are untouched, and no
  ///   half-written file is left. Where only `latest` could not be replaced, the new checkpoint stays.
  @discardableResult
  public func write(tensors: [NamedTensor], metadata: CheckpointMetadata) throws -> String {
    precondition(metadata.step >= 0 && metadata.epoch >= 0, "step and epoch count from 0")
    precondition(metadata.positionInEpoch >= 0 && metadata.slices >= 1, "no place in an epoch")
    let name = Self.fileName(step: metadata.step)
    try SafetensorsWriter.write(
      tensors, metadata: metadata.strings, to: file(name), calls: calls)
    try AtomicFile.publish(file(Self.latestName), calls: calls) { output in
      try Array((name + "\n").utf8).withUnsafeBytes { try output.write($0) }
    }
    return file(name)
  }

  /// Removes all but the newest `count` checkpoints, and the one of step `best`.
  ///
  /// The one that `latest` names stays too. At least one is kept.
  /// - Returns: What was removed, oldest first.
  /// - Throws: `CheckpointError.writeFailed` where a file can't be removed.
  @discardableResult
  public func keep(_ count: Int, best: Int? = nil) throws -> [Entry] {
    let spared = [best, try? latest()?.step]
    let removed = try entries().dropLast(max(count, 1)).filter { !spared.contains($0.step) }
    for entry in removed { try remove(entry.path) }
    return removed
  }

  /// Removes the files of writes that were never finished.
  ///
  /// - Throws: `CheckpointError.writeFailed` where a file can't be removed.
  public func removePartialFiles() throws {
    for name in try names() where name.hasSuffix(AtomicFile.partialSuffix) {
      let complete = String(name.dropLast(AtomicFile.partialSuffix.count))
      guard complete == Self.latestName || Self.step(ofFileName: complete) != nil else { continue }
      try remove(file(name))
    }
  }

  private func remove(_ path: String) throws {
    do {
      try calls.remove(path)
    } catch let error as SystemError where !error.isNotFound {
      throw CheckpointError.writeFailed(path: path, reason: error.text)
    } catch {
      // It is gone already, which is what was wanted.
    }
  }
}
