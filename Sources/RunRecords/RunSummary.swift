// SPDX-License-Identifier: Apache-2.0
internal import Files

/// What a run came to: the content of `summary.json`.
public struct RunSummary: Equatable, Codable, Sendable {
  /// How many processes took part.
  public var ranks: Int
  /// Into how many slices a batch was cut.
  public var slices: Int
  /// How many steps were done.
  public var steps: Int
  /// How many epochs were begun.
  public var epochs: Int
  /// The loss of the last step.
  public var finalLoss: Double?
  /// The last loss on held-out data.
  public var testLoss: Double?
  /// The last accuracy on held-out data, 0 to 1; nil where there are no classes.
  public var testAccuracy: Double?
  /// The digest of the final weights, 32 hexadecimal digits.
  public var digest: String?
  /// Training samples a second over the whole run.
  public var samplesPerSecond: Double?
  /// How long the run took, in seconds.
  public var seconds: Double?
  /// What all ranks together have moved, in the steps that `seconds` is about.
  public var traffic: TrafficBytes?
  /// How many parameters the network has.
  public var parameters: Int
  /// The version of Lockstep.
  public var version: String
  /// Whether the run got to its end, rather than being stopped.
  public var completed: Bool

  /// Puts a summary together.
  public init(
    ranks: Int, slices: Int, steps: Int, epochs: Int, finalLoss: Double? = nil,
    testLoss: Double? = nil, testAccuracy: Double? = nil, digest: String? = nil,
    samplesPerSecond: Double? = nil, seconds: Double?, traffic: TrafficBytes? = nil,
    parameters: Int, version: String, completed: Bool
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
  }

  /// The keys of the file.
  public enum CodingKeys: String, CodingKey {
    /// See the properties of the same names.
    case ranks, slices, steps, epochs, digest, seconds, traffic, parameters, version, completed
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
  /// The summary as JSON on one line; what is absent or not finite is `null`.
  public var line: String { fields.line }

  /// The summary as JSON, one field a line; what is absent or not finite is `null`.
  public var json: String { fields.page }

  /// Writes the summary; the file appears whole or not at all.
  ///
  /// - Throws: `RunRecordError.writeFailed`; a file that was at `path` is then still there.
  public func write(to path: String) throws {
    try OutputFile.publish(path) { try $0.write(json) }
  }

  private var fields: JSONFields {
    var fields = JSONFields()
    fields.add("ranks", ranks)
    fields.add("slices", slices)
    fields.add("steps", steps)
    fields.add("epochs", epochs)
    fields.add("final_loss", finalLoss)
    fields.add("test_loss", testLoss)
    fields.add("test_accuracy", testAccuracy)
    fields.add("digest", digest)
    fields.add("samples_per_second", samplesPerSecond)
    fields.add("seconds", seconds)
    if let traffic { fields.add("traffic", traffic.fields) }
    fields.add("parameters", parameters)
    fields.add("version", version)
    fields.add("completed", completed)
    return fields
  }
}
