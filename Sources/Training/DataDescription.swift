// SPDX-License-Identifier: Apache-2.0
public import Coordination
internal import Datasets
internal import Machine
internal import NeuralCore
internal import Tracing

/// How training would understand data, and what reading them took.
public struct DataDescription: Encodable {
  /// The DATA argument.
  public let data: String
  /// The number of rows to train on.
  public let trainingRows: Int
  /// The number of rows that are held out.
  public let heldOutRows: Int
  /// The network's inputs.
  public let inputs: Int
  /// The network's outputs.
  public let outputs: Int
  /// The loss function that would be minimized.
  public let loss: LossName
  /// What the data are understood as; nil without targets.
  let schema: TableSchema?
  /// What a person should know about that.
  public let notices: [String]
  /// The weight of each class in the training loss, by its label; nil without class weights.
  let classWeights: [String: Double]?
  /// The hash of everything that was read, and of the schema.
  let contentHash: String
  /// The hash of the schema.
  let schemaHash: String?
  /// The number of ranks that read the data.
  let ranks: Int
  /// The seconds that reading took, on the slowest rank.
  let seconds: Double
  /// The largest resident memory of any rank's process, in bytes.
  let peakBytes: Int
  /// The sum of those over all ranks; what ranks share counts for each.
  let totalPeakBytes: Int
  /// Names and values for a person.
  public let summary: [(name: String, value: String)]

  private enum CodingKeys: CodingKey {
    case data, trainingRows, heldOutRows, inputs, outputs, loss, schema, notices
    case classWeights, contentHash
    case schemaHash, ranks, seconds, peakBytes, totalPeakBytes
  }

  /// Reads the data that options name; all ranks.
  ///
  /// - Throws: `Failure`, the same on all ranks.
  public init(_ options: TrainingOptions, on group: any ProcessGroup) throws {
    try group.agree { try options.validate(ranks: group.size) }
    try group.barrier()
    let start = MonotonicClock.seconds
    var warnings: [String] = []
    let read = try TrainingData(options, on: group) { warnings.append($0) }
    seconds = try group.allGather(values: MonotonicClock.seconds - start).max() ?? 0
    let peaks = try group.allGather(values: Memory.peakBytes)
    (peakBytes, totalPeakBytes) = (peaks.max() ?? 0, peaks.reduce(0, +))
    (data, ranks, schema, loss) = (options.data, group.size, read.schema, read.loss)
    (trainingRows, heldOutRows) = (read.trainingRows.count, read.heldOutRows.count)
    (inputs, outputs) = (read.training.columns, read.training.outputs)
    notices = read.notices + warnings
    classWeights = read.classWeights.map {
      Dictionary(zip(read.training.labels, $0), uniquingKeysWith: { first, _ in first })
    }
    contentHash = read.contentHash
    schemaHash = read.schema?.contentHash
    summary =
      [
        (name: "data", value: data),
        (name: "rows", value: "\(trainingRows) for training, \(heldOutRows) held out"),
      ] + read.schemaSummary + [(name: "loss", value: loss.rawValue)]
  }
}
