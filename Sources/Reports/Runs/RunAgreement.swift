// SPDX-License-Identifier: Apache-2.0
internal import RunRecords

/// Whether a run has converged as another did, to the bit, as far as their logs tell.
enum RunAgreement: Equatable {
  /// Every logged loss, evaluation and digest is equal, and so are the final digests.
  case identical
  /// They differ, first at this step; nil where only the final digests or the lengths differ.
  case different(step: Int?)
  /// The batches differ, so they were never meant to be equal.
  case otherBatch
  /// One has not ended, or they have no logged step in common.
  case unknown

  init(_ run: ReportedRun, with other: ReportedRun) {
    if let batch = run.batch, let expected = other.batch, batch != expected {
      self = .otherBatch
      return
    }
    let steps = [
      RunComparison.stepDifference(run.record, other.record)?.step,
      RunComparison.evaluationDifference(run.record, other.record),
    ]
    if let step = steps.compactMap({ $0 }).min() {
      self = .different(step: step)
      return
    }
    guard let digest = run.digest, let expected = other.digest, !run.record.steps.isEmpty,
      run.record.steps.contains(where: { $0.step == other.record.steps.first?.step })
    else {
      self = .unknown
      return
    }
    let isAsLong = run.summary?.steps == other.summary?.steps
    self = digest == expected && isAsLong ? .identical : .different(step: nil)
  }
}
