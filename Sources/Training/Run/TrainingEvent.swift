// SPDX-License-Identifier: Apache-2.0
public import Reports
public import RunRecords

/// What a run tells whoever watches; on rank 0 only.
public enum TrainingEvent {
  /// The run goes on with a checkpoint; `skipped` tells what was wrong with newer ones.
  case resumed(step: Int, checkpoint: String, skipped: [String])
  /// The run begins, with these options.
  case started(options: [(name: String, value: String)], run: String)
  /// Training has come so far.
  case progress(Progress)
  /// An evaluation of the held-out rows is done.
  case evaluated(Progress, loss: Double, accuracy: Double?)
  /// Something went wrong that the run can go on without.
  case warned(String)
  /// The run has ended.
  case finished(RunSummary, run: String, checkpoint: String)
}
