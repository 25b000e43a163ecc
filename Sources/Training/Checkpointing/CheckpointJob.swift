// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import RunRecords

/// All that is needed to write one checkpoint.
///
/// Unchecked: the tensors' memory belongs to the job alone until it is written, or, where the
/// writing is waited for, nothing else happens meanwhile.
struct CheckpointJob: @unchecked Sendable {
  let folder: CheckpointFolder
  let tensors: [NamedTensor]
  let metadata: CheckpointMetadata
  /// The log whose records must be on the disk before the checkpoint is.
  let metrics: String?
  /// How many of the newest checkpoints are kept; nil for all.
  let keep: Int?
  /// The held-out loss after each step at which it was evaluated.
  let heldOutLosses: [Int: Double]

  /// Writes the checkpoint, then removes what is not kept.
  ///
  /// - Returns: the file's path.
  func write() throws -> String {
    // A run that goes on from here must find the records of all steps before.
    if let metrics { try JSONLinesLog.synchronize(metrics) }
    let path = try folder.write(tensors: tensors, metadata: metadata)
    try removeOld()
    return path
  }

  /// Removes what `--keep` does not keep; the best are those written right after an evaluation.
  private func removeOld() throws {
    guard let keep else { return }
    let losses = try folder.entries().compactMap { entry in
      heldOutLosses[entry.step].map { (step: entry.step, loss: $0) }
    }
    try folder.keep(keep, best: losses.min { $0.loss < $1.loss }?.step)
  }
}
