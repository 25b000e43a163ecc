// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Foundation
internal import NeuralCore
public import RunRecords

/// The metrics and checkpoints of a finished or running run.
public struct RecordedRun: Sendable {
  /// The run directory.
  public let path: String
  /// The logged steps and evaluations.
  public let metrics: MetricsLog
  /// The paths of the checkpoints by step.
  public let checkpoints: [Int: String]
  /// The number of rows in a batch, or nil if there is no checkpoint to tell.
  public let batch: Int?

  /// Reads a run directory.
  ///
  /// - Throws: ``RunRecordError`` if the metrics are missing or damaged.
  public init(path: String) throws {
    let directory = RunDirectory(existing: path)
    self.path = path
    metrics = try MetricsLog(path: directory.metrics)
    let entries = (try? CheckpointFolder(path: directory.checkpoints).entries()) ?? []
    checkpoints = Dictionary(uniqueKeysWithValues: entries.map { ($0.step, $0.path) })
    batch = entries.first.flatMap { try? Checkpoint(path: $0.path) }.flatMap { checkpoint in
      let config = try? JSONDecoder().decode(
        [String: String].self, from: Data(checkpoint.metadata.config.utf8))
      return config?["batch"].flatMap { Int($0) }
    }
  }
}

/// Where two runs first differ, bit for bit.
public struct RunComparison: Encodable, Sendable {
  /// The first logged step at which losses or digests differ.
  public struct StepDifference: Encodable, Equatable, Sendable {
    /// The number of the step.
    public let step: Int
    /// Both losses; nil where one is not finite.
    public let losses: [Double?]
    /// Both digests, where both were computed.
    public let digests: [String?]
  }

  /// The first tensor that differs between checkpoints of one step.
  public struct TensorDifference: Encodable, Equatable, Sendable {
    /// The step of both checkpoints.
    public let step: Int
    /// The tensor's name.
    public let tensor: String
    /// The number of its elements that differ.
    public let elements: Int
    /// The number of its elements.
    public let count: Int
    /// The largest difference, in units in the last place.
    public let largestUlps: UInt64
    /// The number of all tensors that differ.
    public let tensors: Int
  }

  /// The directories of both runs.
  public let runs: [String]
  /// The number of logged steps that both have.
  public let commonSteps: Int
  /// The number of checkpoints that both have.
  public let commonCheckpoints: Int
  /// The first step at which losses or digests differ, or nil.
  public let firstStep: StepDifference?
  /// The first step of an evaluation whose loss or accuracy differs, or nil.
  public let firstEvaluation: Int?
  /// The first checkpoint's first tensor that differs, or nil.
  public let firstTensor: TensorDifference?

  /// Whether both runs have the same logged steps and evaluations, and nothing differs.
  public let isEqual: Bool

  /// Compares two runs.
  ///
  /// - Throws: `CheckpointError` if a checkpoint is damaged.
  public init(_ a: RecordedRun, _ b: RecordedRun) throws {
    runs = [a.path, b.path]
    commonSteps = Self.commonSteps(a.metrics, b.metrics).count
    firstStep = Self.stepDifference(a.metrics, b.metrics)
    firstEvaluation = Self.evaluationDifference(a.metrics, b.metrics)
    let common = a.checkpoints.keys.filter { b.checkpoints[$0] != nil }.sorted()
    commonCheckpoints = common.count
    var found: TensorDifference?
    for step in common where found == nil {
      guard let x = a.checkpoints[step], let y = b.checkpoints[step] else { continue }
      found = try Self.compare(Checkpoint(path: x), Checkpoint(path: y), step: step)
    }
    firstTensor = found
    isEqual =
      firstStep == nil && firstEvaluation == nil && found == nil
      && commonSteps == a.metrics.steps.count
      && a.metrics.steps.count == b.metrics.steps.count
      && a.metrics.evaluations.count == b.metrics.evaluations.count
  }

  /// The logged steps that both runs have.
  private static func commonSteps(
    _ a: MetricsLog, _ b: MetricsLog
  ) -> [(MetricsRecord, MetricsRecord)] {
    let others = Dictionary(b.steps.map { ($0.step, $0) }) { first, _ in first }
    return a.steps.compactMap { line in others[line.step].map { (line, $0) } }
  }

  /// The first common logged step at which losses or digests differ, or nil.
  static func stepDifference(_ a: MetricsLog, _ b: MetricsLog) -> StepDifference? {
    commonSteps(a, b).first(where: differ).map { x, y in
      StepDifference(
        step: x.step, losses: [x.loss?.ifFinite, y.loss?.ifFinite], digests: [x.digest, y.digest])
    }
  }

  /// The first step after which both were evaluated with different results, or nil.
  static func evaluationDifference(_ a: MetricsLog, _ b: MetricsLog) -> Int? {
    let tests = Dictionary(b.evaluations.map { ($0.step, $0) }) { first, _ in first }
    return a.evaluations.first { record in
      guard let other = tests[record.step] else { return false }
      return record.testLoss?.bitPattern != other.testLoss?.bitPattern
        || record.testAccuracy?.bitPattern != other.testAccuracy?.bitPattern
    }?.step
  }

  private static func differ(_ x: MetricsRecord, _ y: MetricsRecord) -> Bool {
    if x.loss?.bitPattern != y.loss?.bitPattern { return true }
    guard let own = x.digest, let other = y.digest else { return false }
    return own != other
  }

  /// The first tensor that differs between two checkpoints, or nil.
  private static func compare(
    _ a: Checkpoint, _ b: Checkpoint, step: Int
  ) throws -> TensorDifference? {
    var first: TensorDifference?
    var differing = 0
    for entry in a.tensors {
      guard let other = b.entry(entry.name), other.shape == entry.shape else {
        return TensorDifference(
          step: step, tensor: entry.name, elements: entry.count, count: entry.count,
          largestUlps: .max, tensors: 1)
      }
      let (x, y) = (try a.tensor(entry.name), try b.tensor(entry.name))
      let (elements, ulps) = difference(x, y)
      guard elements > 0 else { continue }
      differing += 1
      first =
        first
        ?? TensorDifference(
          step: step, tensor: entry.name, elements: elements, count: entry.count,
          largestUlps: ulps, tensors: 0)
    }
    return first.map {
      TensorDifference(
        step: $0.step, tensor: $0.tensor, elements: $0.elements, count: $0.count,
        largestUlps: $0.largestUlps, tensors: differing)
    }
  }

  /// The number of elements whose bits differ, and the largest difference in units in the last place.
  private static func difference(
    _ x: AlignedBuffer<Float>, _ y: AlignedBuffer<Float>
  ) -> (elements: Int, ulps: UInt64) {
    var elements = 0
    var largest: UInt64 = 0
    for index in 0..<x.count where x[index].bitPattern != y[index].bitPattern {
      elements += 1
      largest = Swift.max(largest, (ordered(x[index]) - ordered(y[index])).magnitude)
    }
    return (elements, UInt64(largest))
  }

  /// An integer that grows by 1 from each Float32 to the next.
  private static func ordered(_ x: Float) -> Int64 {
    let bits = Int64(x.bitPattern & 0x7FFF_FFFF)
    return x.sign == .minus ? -bits : bits
  }
}

/// Held-out loss and accuracy of several runs side by side.
public struct Convergence: Encodable, Sendable {
  /// The quantity that the runs have in common in a row.
  public enum Measure: Sendable {
    /// The number of steps, which cover different numbers of samples if the batch sizes differ.
    case steps
    /// The number of epochs, which cover the same samples in every run; the last evaluation counts.
    case epochs
  }

  /// An evaluation of one run.
  public struct Point: Encodable, Equatable, Sendable {
    /// The held-out loss.
    public let loss: Double
    /// The held-out accuracy, 0 to 1; nil where there are no classes.
    public let accuracy: Double?
  }

  /// The evaluations after a number of steps or epochs.
  public struct Row: Encodable, Equatable, Sendable {
    /// The number of steps or epochs.
    public let at: Int
    /// The evaluations in the order of the runs; nil for a run without one.
    public let runs: [Point?]
  }

  /// The rows, by ascending number.
  public let rows: [Row]

  /// Puts the evaluations of runs side by side.
  public init(_ runs: [RecordedRun], by measure: Measure) {
    let points = runs.map { run in
      Dictionary(
        run.metrics.evaluations.compactMap { record in
          record.testLoss?.ifFinite.map {
            (
              measure == .steps ? record.step : record.epoch,
              Point(loss: $0, accuracy: record.testAccuracy?.ifFinite)
            )
          }
        }
      ) { _, last in last }
    }
    rows = Set(points.flatMap(\.keys)).sorted().map { at in
      Row(at: at, runs: points.map { $0[at] })
    }
  }
}
