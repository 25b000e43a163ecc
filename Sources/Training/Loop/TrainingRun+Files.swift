internal import Checkpoints
// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Failures
internal import Files
internal import Foundation
internal import NeuralCore
internal import RunRecords

/// The files of a run while it goes on; all of this on rank 0.
extension TrainingRun {
  /// Opens the logs and the folder of checkpoints, and writes the options.
  ///
  /// - Returns: a warning if times can't be written.
  /// - Throws: `RunRecordError` or `CheckpointError`.
  func openFiles(
    version: String, _ attempt: LaunchAttempt?, _ placement: Placement
  ) throws -> String? {
    guard let directory else { return nil }
    let mode: JSONLinesLog.Mode = options.resume == "newest" ? .append : .truncate
    metrics = try JSONLinesLog(path: directory.metrics, mode: mode)
    timing = try JSONLinesLog(path: directory.timing, mode: mode)
    let warning = appendTiming(
      TimingRecord.start(
        startTime: Timestamp.now, ranks: group.size, hosts: group.hosts, slices: slices,
        version: version, resumedFrom: options.resume == nil ? nil : step, attempt: attempt,
        placement: placement))
    // Made once: a folder that vanishes later is an error, and not made anew without its run.
    checkpointFolder = try CheckpointFolder.open(
      directory.checkpoints, calls: InjectedKill()?.calls ?? .live)
    // The last one, since it makes the folder's entries durable too.
    try TextFile.publish(options.configuration(slices: slices), to: directory.configuration)
    return warning
  }

  /// Adds a line of metrics.
  ///
  /// - Throws: ``TrainingError/writeFailed(_:)`` that names the last good checkpoint: the metrics
  ///   are part of what a run promises, so it can't go on without.
  func append(_ record: MetricsRecord) throws {
    do {
      try metrics?.append(record)
    } catch {
      throw TrainingError.writeFailed(failure(error).message)
    }
  }

  /// Adds a line of times.
  ///
  /// - Returns: a warning if that fails; the run goes on, and no more times are written.
  func appendTiming(_ record: TimingRecord) -> String? {
    givingUpTiming { try $0.append(record) }
  }

  /// Closes both logs.
  ///
  /// - Returns: a warning if the times could not be written.
  /// - Throws: `RunRecordError` if the metrics could not.
  func closeLogs() throws -> String? {
    try metrics?.close()
    return givingUpTiming { try $0.close() }
  }

  private func givingUpTiming(_ body: (JSONLinesLog) throws -> Void) -> String? {
    guard let log = timing else { return nil }
    do {
      try body(log)
      return nil
    } catch {
      timing = nil
      return "\(error); training goes on without \(log.path)"
    }
  }

  /// What an error means that came of writing: also which checkpoint is left, and what to do.
  func failure(_ error: any Error) -> Failure {
    let failure = Failure(error)
    guard failure.status == .inputOutput || failure.status == .cannotCreate,
      let path = lastGoodCheckpoint
    else {
      return failure
    }
    let isThere = FileManager.default.fileExists(atPath: path)
    return Failure(
      .inputOutput,
      failure.message
        + (isThere
          ? "; the last good checkpoint is \(path): once the disk is in order, go on with --resume"
          : "; the checkpoint \(path) is gone too: the run directory was removed"))
  }
}
