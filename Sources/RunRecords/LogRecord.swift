// SPDX-License-Identifier: Apache-2.0

/// Something that is one line of a log.
public protocol LogRecord {
  /// The record as a JSON object on one line, without a line feed.
  var line: String { get }
}

/// A line of `metrics.jsonl`: what training has come to, and nothing that may differ between runs.
///
/// Two runs that promise the same bits have equal files. Numbers are printed so that they read back
/// to the same bits; a number that is infinite or NaN, for which JSON has no form, is `null`.
public enum MetricsRecord: LogRecord, Equatable, Sendable {
  /// A logged step; `gradientNorm` and `digest` where they were computed.
  case step(
    step: Int, epoch: Int, loss: Double, learningRate: Double, gradientNorm: Double? = nil,
    digest: String? = nil)
  /// An evaluation on held-out data after a step; `accuracy` (0 to 1) where there are classes.
  case evaluation(
    step: Int, epoch: Int, loss: Double, accuracy: Double? = nil, digest: String? = nil)

  /// `{"step":…,"epoch":…,"loss":…,"learning_rate":…,"grad_norm":…,"digest":"…"}` or
  /// `{"step":…,"epoch":…,"test_loss":…,"test_accuracy":…,"digest":"…"}`; absent fields are left out.
  public var line: String {
    var fields = JSONFields()
    let digestOfStep: String?
    switch self {
    case .step(let step, let epoch, let loss, let learningRate, let gradientNorm, let digest):
      fields.add("step", step)
      fields.add("epoch", epoch)
      fields.add("loss", loss)
      fields.add("learning_rate", learningRate)
      if let gradientNorm { fields.add("grad_norm", gradientNorm) }
      digestOfStep = digest
    case .evaluation(let step, let epoch, let loss, let accuracy, let digest):
      fields.add("step", step)
      fields.add("epoch", epoch)
      fields.add("test_loss", loss)
      if let accuracy { fields.add("test_accuracy", accuracy) }
      digestOfStep = digest
    }
    if let digestOfStep { fields.add("digest", digestOfStep) }
    return fields.line
  }
}
