// SPDX-License-Identifier: Apache-2.0
public import RunRecords

/// What a run reports while it runs; on rank 0 only.
public enum TrainingEvent {
  /// The run is resumed from a checkpoint; `skipped` says what was wrong with newer ones.
  case resumed(step: Int, checkpoint: String, skipped: [String])
  /// The run starts, with these options.
  case started(options: [(name: String, value: String)], run: String)
  /// A step is done.
  case progress(TrainingProgress)
  /// An evaluation of the held-out rows is done.
  case evaluated(TrainingProgress, loss: Double, accuracy: Double?)
  /// Something went wrong that the run can continue without.
  case warned(String)
  /// The run has ended.
  case finished(RunSummary, run: String, checkpoint: String)
}
