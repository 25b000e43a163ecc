// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import NeuralCore

/// Where a run differs from another, to the bit.
public struct RunComparison: Encodable, Sendable {
  /// The first logged step at which losses or digests differ.
  public struct StepDifference: Encodable, Equatable, Sendable {
    /// The step.
    public let step: Int
    /// Both losses.
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
    /// How many of its elements differ.
    public let elements: Int
    /// How many elements it has.
    public let count: Int
    /// The largest difference, in units in the last place.
    public let largestUlps: UInt64
    /// How many tensors differ in all.
    public let tensors: Int
  }

  /// The runs that were compared.
  public let runs: [String]
  /// How many logged steps both have.
  public let commonSteps: Int
  /// How many checkpoints both have.
  public let commonCheckpoints: Int
  /// The first step at which losses or digests differ, or nil.
  public let firstStep: StepDifference?
  /// The first step of an evaluation whose loss or accuracy differs, or nil.
  public let firstEvaluation: Int?
  /// The first checkpoint's first tensor that differs, or nil.
  public let firstTensor: TensorDifference?

  /// Whether nothing differs that both runs have, and both have the same.
  public let isEqual: Bool

  /// Compares two runs.
  ///
  /// - Throws: `CheckpointError` when a checkpoint is damaged.
  public init(_ a: RecordedRun, _ b: RecordedRun) throws {
    runs = [a.path, b.path]
    commonSteps = Self.commonSteps(a, b).count
    firstStep = Self.stepDifference(a, b)
    firstEvaluation = Self.evaluationDifference(a, b)
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
      && commonSteps == a.steps.count
      && a.steps.count == b.steps.count && a.evaluations.count == b.evaluations.count
  }

  /// The logged steps that both runs have.
  private static func commonSteps(
    _ a: RecordedRun, _ b: RecordedRun
  ) -> [(RecordedRun.Line, RecordedRun.Line)] {
    let others = Dictionary(b.steps.map { ($0.step, $0) }) { first, _ in first }
    return a.steps.compactMap { line in others[line.step].map { (line, $0) } }
  }

  /// The first logged step that both have and at which losses or digests differ, or nil.
  static func stepDifference(_ a: RecordedRun, _ b: RecordedRun) -> StepDifference? {
    commonSteps(a, b).first(where: differ).map { x, y in
      StepDifference(step: x.step, losses: [x.loss, y.loss], digests: [x.digest, y.digest])
    }
  }

  /// The first step after which both were evaluated, with other results, or nil.
  static func evaluationDifference(_ a: RecordedRun, _ b: RecordedRun) -> Int? {
    let tests = Dictionary(b.evaluations.map { ($0.step, $0) }) { first, _ in first }
    return a.evaluations.first { line in
      guard let other = tests[line.step] else { return false }
      return line.testLoss?.bitPattern != other.testLoss?.bitPattern
        || line.testAccuracy?.bitPattern != other.testAccuracy?.bitPattern
    }?.step
  }

  private static func differ(_ x: RecordedRun.Line, _ y: RecordedRun.Line) -> Bool {
    if x.loss?.bitPattern != y.loss?.bitPattern { return true }
    guard let own = x.digest, let other = y.digest else { return false }
    return own != other
  }

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

  /// How many elements differ in their bits, and by how many units in the last place at most.
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

  /// A whole number that grows by 1 from one Float32 to the next.
  private static func ordered(_ x: Float) -> Int64 {
    let bits = Int64(x.bitPattern & 0x7FFF_FFFF)
    return x.sign == .minus ? -bits : bits
  }
}
