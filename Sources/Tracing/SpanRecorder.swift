// SPDX-License-Identifier: Apache-2.0

/// Records when the parts of training steps begin and end, in memory allocated before the first step.
///
/// Spans of one process nest: one that begins within another ends within it, except for buckets in
/// flight. Spans for which there is no room left are counted and dropped.
package final class SpanRecorder {
  /// What a span is about.
  package enum Name: UInt8, CaseIterable, Sendable {
    /// A whole training step, from gathering its rows to the updated weights.
    case step
    /// Gathering this process's rows of the batch.
    case batch
    /// A layer's forward pass.
    case forward
    /// A layer's backward pass.
    case backward
    /// The loss and its gradient.
    case loss
    /// Everything from the last gradient to the updated weights.
    case update
    /// The first layer's statistics of the next batch.
    case statisticsAhead
    /// Merging statistics or sums over the batch, including waiting for other processes.
    case statistics, sums
    /// Exchanging gradients and adding them up.
    case exchange
    /// A bucket of gradients in flight between processes, which may compute meanwhile.
    case inFlight
    /// The norm over all shards of the gradient.
    case gradientNorm
    /// The norms of parameters and steps of each layer, which LARS and LAMB need.
    case trustRatios
    /// The optimizer on this process's shard.
    case shard
    /// Sending the updated parameters to all processes.
    case parameterGather
    /// What is not part of a step.
    case digest, log, evaluation, checkpoint
  }

  /// An interval in seconds of ``MonotonicClock``.
  package struct Span: Sendable {
    package let start: Double
    package let end: Double
    package let step: Int32
    /// The layer, for passes of layers; the bucket, for buckets in flight.
    package let index: Int16
    /// The raw value of its ``Name``.
    package let name: UInt8
  }

  /// The number of spans for which there was no room.
  package private(set) var dropped = 0

  private let memory: UnsafeMutableBufferPointer<Span>
  private var count = 0
  private let stepLimit: Int
  private var stepsBegun = 0
  private var step: Int32 = 0
  private var isOn = true

  /// Makes room for the spans of `steps` steps of a network with `layers` layers, whose gradients are
  /// exchanged in `buckets` buckets.
  package init(steps: Int, layers: Int, buckets: Int = 1) {
    stepLimit = steps
    memory = .allocate(capacity: steps * (24 + 10 * layers + 5 * buckets) + 16)
    // Pages are touched now, so that no step has to wait for them.
    memory.initialize(repeating: Span(start: 0, end: 0, step: 0, index: 0, name: 0))
  }

  deinit { memory.deallocate() }

  /// Begins a step, to which all spans up to the next one belong; after the last step for which there
  /// is room, nothing is recorded.
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

  /// All spans, ordered by their ends, as bytes that ``spans(in:)`` of the same build reads.
  package var bytes: [UInt8] {
    Array(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: memory[..<count])))
  }

  /// The spans in a recorder's ``bytes``.
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
  /// Runs `body`, and records when if there is a recorder.
  package func record<Result>(
    _ name: SpanRecorder.Name, _ index: Int = 0, _ body: () throws -> Result
  ) rethrows -> Result {
    guard let recorder = self else { return try body() }
    let start = MonotonicClock.seconds
    defer { recorder.add(name, index, since: start) }
    return try body()
  }
}
