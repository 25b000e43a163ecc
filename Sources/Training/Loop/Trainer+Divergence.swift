// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Failures
internal import NeuralCore

extension Trainer {
  /// Keeps the weights of the last good step, and says what went wrong and why; all replicas.
  func divergence(_ finding: NotFiniteFinding, _ run: TrainingRun) throws -> Failure {
    run.restoreStatistics()
    let layer = try group.minimum(finding.layer ?? Int.max)
    // Bit patterns of floats that are not negative are ordered as the floats are.
    let bits = try -group.minimum(-Int(finding.largestInput.bitPattern))
    let largestInput = Float(bitPattern: UInt32(truncatingIfNeeded: bits))
    let checkpoint = try writeCheckpoint(run)
    let saved = try group.broadcast { checkpoint }
    let place = layer == Int.max ? "" : ", first in layers.\(layer)"
    let rate = run.network.schedule.rate(at: run.step)
    let cause =
      if largestInput > 1e15 {
        "the data hold values as large as \(largestInput): scale them down"
      } else if rate > 1 || finding.largestParameter > 1e6 {
        "the learning rate \(rate) is probably too high (largest weight \(finding.largestParameter)): "
          + "lower --learning-rate"
      } else {
        "probably the steps are too long: lower --learning-rate or set --clip-norm"
      }
    return Failure(
      .configuration,
      "step \(run.step + 1): the \(finding.quantity.rawValue) is not finite\(place); \(cause); "
        + "the weights after step \(run.step) are in \(saved)")
  }
}
