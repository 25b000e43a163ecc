internal import Checkpoints
internal import Coordination
internal import Foundation
internal import NeuralCore
// SPDX-License-Identifier: Apache-2.0
internal import Reports
internal import RunRecords

extension Trainer {
  /// Finds the checkpoint to go on with, if the options ask for it; all replicas, rank 0 reads.
  func findResumePoint() throws -> ResumePoint? {
    guard let resume = options.resume else { return nil }
    let found = try group.agree { () -> ResumePoint? in
      guard group.rank == 0 else { return nil }
      let point: ResumePoint
      if resume == "newest" {
        let folder = CheckpointFolder(path: (options.run ?? ".") + "/checkpoints")
        let search = try folder.newestIntact()
        guard let checkpoint = search.checkpoint else { throw folder.nothingIntact(search) }
        point = try ResumePoint(checkpoint, skipped: search.skipped)
      } else {
        let checkpoint = try Checkpoint(path: resume)
        try checkpoint.verify()
        point = try ResumePoint(checkpoint, skipped: [])
      }
      return point
    }
    return try group.broadcast { found }
  }

  /// Opens the directory of the run that goes on, and cuts its metrics back; rank 0.
  func reopen(_ point: ResumePoint, _ run: TrainingRun) throws -> RunDirectory {
    let directory = RunDirectory(existing: options.run ?? ".")
    // The last step has records of its own; a run that goes on beyond it would not have them.
    let wasLast = point.lastStep(stepsPerEpoch: run.stepsPerEpoch) == point.step
    try JSONLinesLog.truncate(
      directory.metrics, afterStep: point.step,
      records: wasLast
        ? JSONLinesLog.Records(
          step: run.isLogDue || run.isDigestDue, digest: run.isDigestDue,
          evaluation: run.isEvaluationDue) : .all)
    return directory
  }

  /// Loads all state of a checkpoint; all replicas, rank 0 reads.
  func restore(_ point: ResumePoint, _ run: TrainingRun) throws {
    let store = run.network.store
    let checkpoint = group.rank == 0 ? try Checkpoint(path: point.path) : nil
    for entry in store.table.entries {
      try load(
        entry.name, entry.specification.layout, from: checkpoint, into: store.elements(of: entry))
    }
    let moments = try run.network.optimizer.momentNames.map { name in
      let whole = AlignedBuffer<Float>(count: store.table.parameterCount)
      for entry in store.table.entries where !entry.isStatistic {
        try load(
          "optimizer.\(name).\(entry.name)", entry.specification.layout, from: checkpoint,
          into: UnsafeMutableBufferPointer(rebasing: whole.mutableElements[entry.span]))
      }
      return whole
    }
    store.markChanged()
    group.loadOptimizerState(moments)
    run.resume(atStep: point.step)
    run.lastGoodCheckpoint = point.path
    guard group.rank == 0, options.resume == "newest", let path = options.run else { return }
    for line in try RecordedRun(path: path).evaluations where line.step <= point.step {
      run.heldOutLosses[line.step] = line.testLoss
    }
  }

  /// Reads a tensor on rank 0, and brings it to all replicas.
  private func load(
    _ name: String, _ layout: TensorLayout, from checkpoint: Checkpoint?,
    into target: UnsafeMutableBufferPointer<Float>
  ) throws {
    try group.agree {
      guard let checkpoint else { return }
      guard checkpoint.entry(name)?.shape == layout.shape else {
        throw TrainingError.unsuitableModel(
          "\(checkpoint.path): no tensor \(name) of shape \(layout.shape)")
      }
      try checkpoint.read(name, as: layout, into: target)
    }
    let bytes = try group.broadcast(
      bytes:
        group.rank == 0 ? Array(UnsafeRawBufferPointer(target)) : [])
    UnsafeMutableRawBufferPointer(target).copyBytes(from: bytes)
  }
}
