// SPDX-License-Identifier: Apache-2.0

/// Records when what was done, in memory that is there before the first step.
///
/// Spans of one replica nest: one that begins within another ends within it; only flights don't. Those
/// that find no more room are counted and left out.
package final class SpanRecorder {
  /// What a span is about.
  package enum Name: UInt8, CaseIterable, Sendable {
    /// A whole training step, from gathering its rows to the new weights.
    case step
    /// Copying this replica's rows of the batch together.
    case batch
    /// A layer's forward pass.
    case forward
    /// A layer's backward pass.
    case backward
    /// The loss and its gradient.
    case loss
    /// All from the last gradient to the new weights.
    case update
    /// The first layer's statistics of the next batch.
    case statisticsAhead
    /// Bringing moments or sums over the batch together, waiting for other replicas included.
    case statistics, sums
    /// Moving gradients and adding them up.
    case exchange
    /// A bucket of gradients on its way between replicas, while they may compute.
    case flight
    /// The norm over all shards of the gradient.
    case gradientNorm
    /// The optimizer on this replica's shard.
    case shard
    /// Bringing new parameters to all replicas.
    case parameterGather
    /// What is not part of a step.
    case digest, log, evaluation, checkpoint
  }

  /// From when to when, in seconds of ``MonotonicClock``.
  package struct Span: Sendable {
    package let start: Double
    package let end: Double
    package let step: Int32
    /// The layer, for passes of layers; the bucket, for flights.
    package let index: Int16
    /// The raw value of its ``Name``.
    package let name: UInt8
  }

  /// How many spans found no room.
  package private(set) var dropped = 0

  private let memory: UnsafeMutableBufferPointer<Span>
  private var count = 0
  private let stepLimit: Int
  private var stepsBegun = 0
  private var step: Int32 = 0
  private var isOn = true

  /// Makes room for the spans of so many steps of a network with so many layers, whose gradients
  /// are exchanged in so many buckets.
  package init(steps: Int, layers: Int, buckets: Int = 1) {
    stepLimit = steps
    memory = .allocate(capacity: steps * (24 + 10 * layers + 5 * buckets) + 16)
    // Pages are touched now, so that no step waits for them.
    memory.initialize(repeating: Span(start: 0, end: 0, step: 0, index: 0, name: 0))
  }

  deinit { memory.deallocate() }

  /// Takes note that a step begins, with all that comes before the next; after the last of the
  /// steps that there is room for, nothing is recorded any more.
  package func begin(step number: Int) {
    stepsBegun += 1
    isOn = stepsBegun <= stepLimit
    step = Int32(truncatingIfNeeded: number)
  }

  /// Records a span that ends now.
  package func add(_ name: Name, _ index: Int = 0, since start: Double) {
    guard isOn else { return }
    guard count < memory.count else {
      dropped += 1
      return
    }
    memory[count] = Span(
      start: start, end: MonotonicClock.seconds, step: step,
      index: Int16(truncatingIfNeeded: index), name: name.rawValue)
    count += 1
  }

  /// All spans, in the order of their ends, as the bytes that ``spans(in:)`` reads in the same build.
  package var bytes: [UInt8] {
    Array(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: memory[..<count])))
  }

  /// The spans of some recorder's ``bytes``.
  package static func spans(in bytes: [UInt8]) -> [Span] {
    bytes.withUnsafeBytes { raw in
      stride(
        from: 0, to: raw.count - raw.count % MemoryLayout<Span>.stride,
        by: MemoryLayout<Span>.stride
      )
      .map { raw.loadUnaligned(fromByteOffset: $0, as: Span.self) }
    }
  }
}

extension SpanRecorder? {
  /// Does something, and records when, if there is a recorder.
  package func record<Result>(
    _ name: SpanRecorder.Name, _ index: Int = 0, _ body: () throws -> Result
  ) rethrows -> Result {
    guard let recorder = self else { return try body() }
    let start = MonotonicClock.seconds
    defer { recorder.add(name, index, since: start) }
    return try body()
  }
}
