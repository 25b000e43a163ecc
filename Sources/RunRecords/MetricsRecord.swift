// SPDX-License-Identifier: Apache-2.0
public import NeuralCore

/// A line of `metrics.jsonl`: the results of a step or of an evaluation, and nothing that may differ
/// between runs.
///
/// Two runs that promise the same bits have equal files. Numbers are printed so that they read back
/// to the same bits; infinity and NaN, for which JSON has no form, are `null` and read back as NaN.
public struct MetricsRecord: LogRecord, Equatable, Sendable {
  /// The step after which it was written.
  public let step: Int
  /// The epoch of the step, 1 for the first.
  public let epoch: Int
  /// The loss of the batch; nil for an evaluation.
  public private(set) var loss: Double?
  /// The learning rate of the step; nil for an evaluation.
  public private(set) var learningRate: Double?
  /// The norm of the gradient before clipping, where it was computed.
  public private(set) var gradientNorm: Double?
  /// The loss on held-out data; nil for a step.
  public private(set) var testLoss: Double?
  /// The accuracy on held-out data, 0 to 1; nil for a step, and where there are no classes.
  public private(set) var testAccuracy: Double?
  /// The scores on held-out data; nil for a step, and where there are classes.
  public private(set) var testScores: RegressionScores?
  /// Further metrics on held-out data that were asked for.
  public private(set) var testMetrics: [MetricValue] = []
  /// The digest of the weights, where it was computed.
  public private(set) var digest: String?

  private init(step: Int, epoch: Int, digest: String?) {
    self.step = step
    self.epoch = epoch
    self.digest = digest
  }

  /// A logged step; `gradientNorm` and `digest` where they were computed.
  public static func step(
    step: Int, epoch: Int, loss: Double, learningRate: Double, gradientNorm: Double? = nil,
    digest: String? = nil
  ) -> Self {
    var record = Self(step: step, epoch: epoch, digest: digest)
    record.loss = loss
    record.learningRate = learningRate
    record.gradientNorm = gradientNorm
    return record
  }

  /// An evaluation on held-out data after a step; `accuracy` (0 to 1) where there are classes, `scores`
  /// where the targets are numbers, `metrics` those that were asked for.
  public static func evaluation(
    step: Int, epoch: Int, loss: Double, accuracy: Double? = nil, scores: RegressionScores? = nil,
    metrics: [MetricValue] = [], digest: String? = nil
  ) -> Self {
    var record = Self(step: step, epoch: epoch, digest: digest)
    record.testLoss = loss
    record.testAccuracy = accuracy
    record.testScores = scores
    record.testMetrics = metrics.filter { !$0.metric.hasFieldOfItsOwn }
    return record
  }

  /// Whether this is an evaluation rather than a step.
  public var isEvaluation: Bool { testLoss != nil }

  /// `{"step":…,"epoch":…,"loss":…,"learning_rate":…,"grad_norm":…,"digest":"…"}` or
  /// `{"step":…,"epoch":…,"test_loss":…,"test_accuracy":…,"test_mse":…,"test_rmse":…,"test_mae":…,
  /// "test_r2":…,"test_auc":…,"digest":"…"}`, without absent fields.
  public var line: String {
    var fields = JSONFields()
    fields.add(Key.step, step)
    fields.add(Key.epoch, epoch)
    if let loss { fields.add(Key.loss, loss) }
    if let learningRate { fields.add(Key.learningRate, learningRate) }
    if let gradientNorm { fields.add(Key.gradientNorm, gradientNorm) }
    if let testLoss { fields.add(Key.testLoss, testLoss) }
    if let testAccuracy { fields.add(Key.testAccuracy, testAccuracy) }
    if let testScores { fields.add(testScores: testScores) }
    fields.add(testMetrics: testMetrics)
    if let digest { fields.add(Key.digest, digest) }
    return fields.line
  }
}

extension MetricsRecord: Decodable {
  private enum Key: String, CodingKey {
    case step, epoch, loss, digest
    case learningRate = "learning_rate"
    case gradientNorm = "grad_norm"
    case testLoss = "test_loss"
    case testAccuracy = "test_accuracy"
  }

  /// Reads a line.
  ///
  /// - Throws: `DecodingError`, also for a step below 0 or above 2^40.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Key.self)
    self.init(
      step: try fields.decode(Int.self, forKey: .step),
      epoch: try fields.decode(Int.self, forKey: .epoch),
      digest: try fields.decodeIfPresent(String.self, forKey: .digest))
    guard JSONLinesLog.validSteps.contains(step) else {
      throw DecodingError.dataCorruptedError(
        forKey: .step, in: fields, debugDescription: "step \(step) is out of range")
    }
    loss = try fields.number(.loss)
    learningRate = try fields.number(.learningRate)
    gradientNorm = try fields.number(.gradientNorm)
    testLoss = try fields.number(.testLoss)
    testAccuracy = try fields.number(.testAccuracy)
    testScores = try RegressionScores(testFieldsOf: decoder)
    testMetrics = try MetricValue.list(testFieldsOf: decoder)
  }
}

/// The content of a run's `metrics.jsonl`.
public struct MetricsLog: Sendable {
  /// The logged steps, in the order of the file.
  public let steps: [MetricsRecord]
  /// The evaluations, in the order of the file.
  public let evaluations: [MetricsRecord]

  /// A log without records.
  public init() { (steps, evaluations) = ([], []) }

  /// Reads a file; an incomplete last line, which a crash may leave, is left out.
  ///
  /// - Throws: ``RunRecordError``: `.missing` where the file can't be read, `.damaged` where a line
  ///   is not a record.
  public init(path: String) throws {
    let records = try JSONLinesLog.read(path, as: MetricsRecord.self)
    steps = records.filter { !$0.isEvaluation }
    evaluations = records.filter(\.isEvaluation)
  }
}
