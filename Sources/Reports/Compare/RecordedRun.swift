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
  /// - Throws: `Failure`-able errors: ``RunRecordError`` when the metrics are missing or damaged.
  public init(path: String) throws {
    self.path = path
    guard let lines = try Self.lines(of: path) else {
      throw CheckpointError.missing(path: path + "/metrics.jsonl", reason: "no such file")
    }
    steps = lines.filter { $0.testLoss == nil }
    evaluations = lines.filter { $0.testLoss != nil }
    let entries = (try? CheckpointFolder(path: path + "/checkpoints").entries()) ?? []
    checkpoints = Dictionary(uniqueKeysWithValues: entries.map { ($0.step, $0.path) })
    batch = entries.first.flatMap { try? Checkpoint(path: $0.path) }.flatMap { checkpoint in
      let config = try? JSONDecoder().decode(
        [String: String].self, from: Data(checkpoint.metadata.config.utf8))
      return config?["batch"].flatMap { Int($0) }
    }
  }

  /// Reads the metrics alone; a run without any has no lines.
  ///
  /// - Throws: ``RunRecordError/unsuitableData(_:)`` when the metrics are damaged.
  init(logsOf path: String) throws {
    self.path = path
    let lines = try Self.lines(of: path) ?? []
    steps = lines.filter { $0.testLoss == nil }
    evaluations = lines.filter { $0.testLoss != nil }
    checkpoints = [:]
    batch = nil
  }

  private static func lines(of path: String) throws -> [Line]? {
    try LogLines.read(path + "/metrics.jsonl", as: Line.self) {
      (0...LogLines.mostSteps).contains($0.step)
    }
  }
}
