// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import Foundation
public import NeuralCore

/// The outcome of a run: the content of `summary.json`.
public struct RunSummary: Equatable, Codable, Sendable {
  /// The number of processes.
  public var ranks: Int
  /// The number of slices of a batch.
  public var slices: Int
  /// The number of steps that were done.
  public var steps: Int
  /// The number of epochs that were started.
  public var epochs: Int
  /// The training loss of the last epoch, as far as it was run: the mean over the rows of its steps,
  /// each computed before its step's update.
  ///
  /// Where a run was resumed within that epoch from a checkpoint of a version that didn't keep this
  /// mean, that over the rows since.
  public var finalLoss: Double?
  /// The last loss on held-out data.
  public var testLoss: Double?
  /// The last accuracy on held-out data, 0 to 1; nil where there are no classes.
  public var testAccuracy: Double?
  /// The last scores on held-out data; nil where there are classes.
  public var testScores: RegressionScores?
  /// The last values on held-out data of further metrics that were asked for.
  public var testMetrics: [MetricValue] = []
  /// The digest of the final weights, 32 hexadecimal digits.
  public var digest: String?
  /// Training samples per second over the whole run.
  public var samplesPerSecond: Double?
  /// The duration of the run, in seconds.
  public var seconds: Double?
  /// What all ranks together moved in the steps of those seconds.
  public var traffic: TrafficBytes?
  /// The number of parameters of the network.
  public var parameters: Int
  /// The version of Lockstep.
  public var version: String
  /// Whether the run reached its end, rather than being stopped.
  ///
  /// A run that stopped early because its monitored metric did not improve has reached it, too.
  public var completed: Bool
  /// Whether the run ended before its last step because the monitored metric did not improve; nil if
  /// it monitored none.
  public var stoppedEarly: Bool?
  /// The metric that the run monitored on held-out data; nil if it monitored none.
  public var monitor: MetricName?
  /// The best value of that metric; nil also if none was finite.
  public var best: Double?
  /// The step after which it was measured, that of the checkpoint that `checkpoints/best` names.
  public var bestStep: Int?

  /// Makes a summary from its parts.
  public init(
    ranks: Int, slices: Int, steps: Int, epochs: Int, finalLoss: Double? = nil,
    testLoss: Double? = nil, testAccuracy: Double? = nil, digest: String? = nil,
    samplesPerSecond: Double? = nil, seconds: Double?, traffic: TrafficBytes? = nil,
    parameters: Int, version: String, completed: Bool, testScores: RegressionScores? = nil,
    testMetrics: [MetricValue] = []
  ) {
    self.ranks = ranks
    self.slices = slices
    self.steps = steps
    self.epochs = epochs
    self.finalLoss = finalLoss
    self.testLoss = testLoss
    self.testAccuracy = testAccuracy
    self.digest = digest
    self.samplesPerSecond = samplesPerSecond
    self.seconds = seconds
    self.traffic = traffic
    self.parameters = parameters
    self.version = version
    self.completed = completed
    self.testScores = testScores
    self.testMetrics = testMetrics.filter { !$0.metric.hasFieldOfItsOwn }
  }

  /// Reads a `summary.json`.
  ///
  /// - Throws: ``RunRecordError``: `.missing` where the file can't be read, `.damaged` where it is
  ///   not a summary.
  public init(path: String) throws {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw RunRecordError.missing("\(path): can't be read; check its permissions")
    }
    guard var summary = try? JSONDecoder().decode(RunSummary.self, from: data), summary.ranks > 0,
      JSONLinesLog.validSteps.contains(summary.steps),
      let scores = try? JSONDecoder().decode(TestScores.self, from: data)
    else {
      throw RunRecordError.damaged("\(path): damaged; restore the file or leave out this run")
    }
    summary.testScores = scores.scores
    summary.testMetrics = scores.metrics
    self = summary
  }

  /// The scores and metrics, whose fields are among those of the summary.
  private struct TestScores: Decodable {
    let scores: RegressionScores?
    let metrics: [MetricValue]

    init(from decoder: any Decoder) throws {
      scores = try RegressionScores(testFieldsOf: decoder)
      metrics = try MetricValue.list(testFieldsOf: decoder)
    }
  }

  /// The keys of the file.
  public enum CodingKeys: String, CodingKey {
    /// See the properties of the same names.
    case ranks, slices, steps, epochs, digest, seconds, traffic, parameters, version, completed
    /// See the properties of the same names.
    case monitor, best
    /// See `stoppedEarly`.
    case stoppedEarly = "stopped_early"
    /// See `bestStep`.
    case bestStep = "best_step"
    /// See `finalLoss`.
    case finalLoss = "final_loss"
    /// See `testLoss`.
    case testLoss = "test_loss"
    /// See `testAccuracy`.
    case testAccuracy = "test_accuracy"
    /// See `samplesPerSecond`.
    case samplesPerSecond = "samples_per_second"
  }
}

extension RunSummary: LogRecord {
  /// The summary as JSON on one line; absent values and those that are not finite are `null`.
  public var line: String { fields.line }

  /// The summary as JSON with one field per line; absent and non-finite values are `null`.
  public var json: String { fields.page }

  /// Writes the summary; the file appears as a whole or not at all.
  ///
  /// - Throws: `RunRecordError.writeFailed`; an existing file at `path` is then unchanged.
  public func write(to path: String) throws {
    try OutputFile.publish(path) { try $0.write(json) }
  }

  private var fields: JSONFields {
    var fields = JSONFields()
    fields.add(CodingKeys.ranks, ranks)
    fields.add(CodingKeys.slices, slices)
    fields.add(CodingKeys.steps, steps)
    fields.add(CodingKeys.epochs, epochs)
    fields.add(CodingKeys.finalLoss, finalLoss)
    fields.add(CodingKeys.testLoss, testLoss)
    fields.add(CodingKeys.testAccuracy, testAccuracy)
    if let testScores { fields.add(testScores: testScores) }
    fields.add(testMetrics: testMetrics)
    fields.add(CodingKeys.digest, digest)
    fields.add(CodingKeys.samplesPerSecond, samplesPerSecond)
    fields.add(CodingKeys.seconds, seconds)
    if let traffic { fields.add(CodingKeys.traffic, traffic.fields) }
    fields.add(CodingKeys.parameters, parameters)
    fields.add(CodingKeys.version, version)
    fields.add(CodingKeys.completed, completed)
    if let monitor {
      fields.add(CodingKeys.stoppedEarly, stoppedEarly)
      fields.add(CodingKeys.monitor, monitor.rawValue)
      fields.add(CodingKeys.best, best)
      fields.add(CodingKeys.bestStep, bestStep)
    }
    return fields
  }
}
