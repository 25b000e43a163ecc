// SPDX-License-Identifier: Apache-2.0
public import Coordination
internal import NeuralCore

/// Measures the steps of one node, as a prediction for many needs them.
public struct NodeBenchmark {
  /// Seconds that each measurement aims at.
  private static let seconds = 0.4
  private static let blocks = 5

  private let benchmark: StepBenchmark

  /// Measures what `benchmark` describes; its numbers of steps are replaced.
  public init(_ benchmark: StepBenchmark) {
    self.benchmark = benchmark
  }

  /// Two steps of different batches; the same on all replicas.
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

  /// Measures with the batch and with a quarter of it; all replicas.
  ///
  /// - Throws: `Failure` with status 64 for numbers that can't hold; what training throws.
  public func run(_ group: any ProcessGroup) throws -> Result {
    let batch = benchmark.options.batch
    let smaller = Swift.max(batch / 4, Swift.min(batch, group.size))
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
    // All replicas must do as many.
    benchmark.steps = try group.minimum(Swift.min(Swift.max(wanted, 1), 10_000))
    (benchmark.warmup, benchmark.repeats) = (benchmark.steps, Self.blocks)
    let result = try benchmark.run(group)
    let share = result.communication.update / result.seconds
    // Rank 0's numbers are everybody's.
    let read = try group.broadcast { [1 / result.median, share] }
    return (read[0], read[0] * Swift.min(Swift.max(read[1], 0), 1))
  }
}
