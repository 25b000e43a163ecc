// SPDX-License-Identifier: Apache-2.0
public import Coordination
internal import Failures
internal import Machine
internal import NeuralCore
internal import Tracing

/// Measures the steps per second of training, on synthetic rows in memory.
///
/// It takes steps as ``TrainingLoop`` does, digests included, but writes no files. Blocks of steps are
/// timed, each between two barriers; nothing before the first block counts.
public struct StepBenchmark {
  /// Widths of the network, from its inputs to its outputs.
  public var widths = [784, 256, 128, 10]
  /// Steps in a timed block.
  public var steps = 200
  /// Steps before the first block.
  public var warmup = 20
  /// Timed blocks.
  public var repeats = 5
  /// Rows of synthetic data.
  public var samples = 8192
  /// Everything else about the training; data and layers are replaced.
  public var options = TrainingOptions()

  /// The defaults.
  public init() {}

  /// What was measured; the same on all ranks.
  public struct Result: Sendable {
    /// Steps per second of each timed block.
    public let stepsPerSecond: [Double]
    /// The loss of the first batch, before any update.
    public let firstLoss: Double
    /// The loss of the last batch.
    public let finalLoss: Double
    /// The peak resident memory of each rank's process, in megabytes.
    public let peakMegabytes: [Double]
    /// The duration of all timed blocks on this rank, in seconds.
    public let seconds: Double
    /// Seconds of this rank in the timed blocks that were not computing.
    public let communication: CommunicationTimes

    /// The median over the blocks.
    public var median: Double {
      let sorted = stepsPerSecond.sorted()
      let middle = sorted.count / 2
      return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
  }

  /// Measures; all ranks.
  ///
  /// - Throws: `Failure` with status 64 for invalid numbers; what training throws.
  public func run(_ group: any ProcessGroup) throws -> Result {
    try validate(ranks: group.size)
    let run = try TrainingRun(
      resolved, TrainingData(resolved, on: group), group: group,
      slices: options.slices ?? group.size)
    var (first, last) = (Double.nan, Double.nan)
    func step() throws {
      last = try self.step(run, group)
      if run.step == 1 { first = last }
    }
    var speeds: [Double] = []
    for _ in 0..<warmup { try step() }
    let (start, before) = (MonotonicClock.seconds, group.communicationTimes)
    for _ in 0..<repeats {
      try group.barrier()
      let start = MonotonicClock.seconds
      for _ in 0..<steps { try step() }
      try group.barrier()
      speeds.append(Double(steps) / (MonotonicClock.seconds - start))
    }
    let after = group.communicationTimes
    return Result(
      stepsPerSecond: speeds, firstLoss: first, finalLoss: last,
      peakMegabytes: try peakMegabytes(group), seconds: MonotonicClock.seconds - start,
      communication: after.since(before))
  }

  private func step(_ run: TrainingRun, _ group: any ProcessGroup) throws -> Double {
    let result = try run.trainStep()
    if run.schedule.isDigestDue(run.step) {
      _ = try group.agreedDigest(of: run.network.store, step: run.step)
    }
    return result.loss
  }

  private var resolved: TrainingOptions {
    var resolved = options
    resolved.data = "synthetic:\(samples)x\(widths[0])x\(widths[widths.count - 1])"
    resolved.layers = Array(widths.dropFirst().dropLast())
    resolved.validationSplit = 0
    resolved.steps = warmup + repeats * steps
    return resolved
  }

  private func validate(ranks: Int) throws {
    let numbers = [
      ("steps", steps, 1), ("warmup", warmup, 0), ("repeats", repeats, 1), ("samples", samples, 1),
    ]
    for (name, value, minimum) in numbers where value < minimum || value > 1 << 30 {
      throw Failure(
        .usage, "--\(name) \(value): must be \(minimum) or more")
    }
    guard widths.count >= 2, widths.allSatisfy({ (1...1 << 20).contains($0) }) else {
      throw Failure(
        .usage,
        "--widths \(widths.map(String.init).joined(separator: ",")): must be two or more "
          + "widths from 1 to 1048576, such as 784,256,128,10")
    }
    try resolved.validate(ranks: ranks)
  }

  private func peakMegabytes(_ group: any ProcessGroup) throws -> [Double] {
    try group.allGather(values: Memory.peakBytes).map { Double($0) / 1_048_576 }
  }
}

/// Measures the steps of one node, from which `plan` predicts those of many.
public struct NodeBenchmark {
  /// The target duration of each measurement, in seconds.
  private static let seconds = 0.4
  private static let blocks = 5

  private let benchmark: StepBenchmark

  /// Measures what `benchmark` describes, with numbers of steps of its own.
  public init(_ benchmark: StepBenchmark) {
    self.benchmark = benchmark
  }

  /// Two steps of different batches; the same on all ranks.
  public struct Result: Sendable {
    /// Seconds of a step of the whole batch.
    public let seconds: Double
    /// Rows of the smaller batch.
    public let smallerRows: Int
    /// Seconds of a step of the smaller batch.
    public let smallerSeconds: Double
    /// Seconds of the update, in a step of the whole batch.
    public let update: Double
  }

  /// Measures with the batch and with a quarter of it, of two rows at least; all ranks.
  ///
  /// - Throws: `Failure` with status 64 for invalid numbers; what training throws.
  public func run(_ group: any ProcessGroup) throws -> Result {
    let batch = benchmark.options.batch
    let smaller = Swift.max(batch / 4, Swift.min(batch, Swift.max(group.size, 2)))
    let small = try measure(group, batch: smaller)
    let whole = try measure(group, batch: batch)
    return Result(
      seconds: whole.seconds, smallerRows: smaller, smallerSeconds: small.seconds,
      update: whole.update)
  }

  private func measure(
    _ group: any ProcessGroup, batch: Int
  ) throws -> (seconds: Double, update: Double) {
    var benchmark = benchmark
    benchmark.options.batch = batch
    benchmark.samples = Swift.max(Swift.min(benchmark.samples, 4 * batch), batch)
    (benchmark.warmup, benchmark.steps, benchmark.repeats) = (1, 2, 1)
    let first = try benchmark.run(group)
    let wanted = Int(Self.seconds / Double(Self.blocks) * first.median)
    // All ranks must do the same number.
    benchmark.steps = try group.minimum(Swift.min(Swift.max(wanted, 1), 10_000))
    (benchmark.warmup, benchmark.repeats) = (benchmark.steps, Self.blocks)
    let result = try benchmark.run(group)
    let share = result.communication.update / result.seconds
    let read = try group.broadcast { [1 / result.median, share] }
    return (read[0], read[0] * Swift.min(Swift.max(read[1], 0), 1))
  }
}
