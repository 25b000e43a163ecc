// SPDX-License-Identifier: Apache-2.0
public import Coordination
internal import Failures
internal import Glibc
internal import NeuralCore
internal import Tracing

/// Measures how many steps a second the training loop does, on synthetic rows in memory.
///
/// It steps as ``Trainer`` does, digests included, but writes no files. A block of steps is timed
/// between two meetings of all replicas, again and again; nothing before the first block counts.
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

  /// What was measured; the same on all replicas.
  public struct Result: Sendable {
    /// Steps a second of each timed block.
    public let stepsPerSecond: [Double]
    /// The loss of the first batch, before any update.
    public let firstLoss: Double
    /// The loss of the last batch.
    public let finalLoss: Double
    /// The largest resident memory of each replica's process, in megabytes.
    public let peakMegabytes: [Double]
    /// Where the timed seconds of this replica went.
    public let seconds: Double
    /// Seconds of this replica in the timed blocks that were not computing.
    public let communication: CommunicationTimes

    /// The median over the blocks.
    public var median: Double {
      let sorted = stepsPerSecond.sorted()
      let middle = sorted.count / 2
      return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
  }

  /// Measures; all replicas.
  ///
  /// - Throws: `Failure` with status 64 for numbers that can't hold; what training throws.
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
    let batch = run.nextBatch()
    run.keepStatistics()
    let result = try run.network.train(batch) { run.batchAhead() }
    run.note(result)
    if run.isDigestDue { _ = try group.agreedDigest(of: run.network.store, step: run.step) }
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
    for (name, value, least) in numbers where value < least || value > 1 << 30 {
      throw Failure(
        .usage, "--\(name) \(value): must be \(least) or more")
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
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return try group.allGather(values: usage.ru_maxrss).map { Double($0) / 1024 }
  }
}
