// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Foundation

/// What a finished or running run has written: its metrics and its checkpoints.
public struct RecordedRun: Sendable {
  /// A line of `metrics.jsonl`.
  public struct Line: Decodable, Equatable, Sendable {
    /// The step after which it was written.
    public let step: Int
    /// The epoch that the step belongs to, 1 for the first.
    public let epoch: Int
    /// The batch's loss, on lines of steps.
    public let loss: Double?
    /// The digest of the weights, where it was computed.
    public let digest: String?
    /// The held-out loss, on lines of evaluations.
    public let testLoss: Double?
    /// The held-out accuracy, on lines of evaluations with classes.
    public let testAccuracy: Double?

    enum CodingKeys: String, CodingKey {
      case step, epoch, loss, digest
      case testLoss = "test_loss"
      case testAccuracy = "test_accuracy"
    }
  }

  /// The run directory.
  public let path: String
  /// The lines of steps.
  public let steps: [Line]
  /// The lines of evaluations.
  public let evaluations: [Line]
  /// The checkpoints by step.
  public let checkpoints: [Int: String]
  /// Rows in a batch, or nil if no checkpoint tells.
  public let batch: Int?

  /// Reads a run directory.
  ///
  /// - Throws: `Verdict`-able errors: ``TrainingError`` when the metrics are missing or damaged.
  public init(path: String) throws {
    self.path = path
    let file = path + "/metrics.jsonl"
    guard let data = FileManager.default.contents(atPath: file) else {
      throw CheckpointError.missing(path: file, reason: "no such file")
    }
    var steps: [Line] = []
    var evaluations: [Line] = []
    let decoder = JSONDecoder()
    for (number, text) in data.split(separator: UInt8(ascii: "\n")).enumerated() {
      guard let line = try? decoder.decode(Line.self, from: Data(text)) else {
        throw TrainingError.unsuitableData("\(file), line \(number + 1): not a line of metrics")
      }
      if line.testLoss == nil { steps.append(line) } else { evaluations.append(line) }
    }
    self.steps = steps
    self.evaluations = evaluations
    let entries = (try? CheckpointFolder(path: path + "/checkpoints").entries()) ?? []
    checkpoints = Dictionary(uniqueKeysWithValues: entries.map { ($0.step, $0.path) })
    batch = entries.first.flatMap { try? Checkpoint(path: $0.path) }.flatMap { checkpoint in
      let config = try? decoder.decode(
        [String: String].self, from: Data(checkpoint.metadata.config.utf8))
      return config?["batch"].flatMap { Int($0) }
    }
  }
}
