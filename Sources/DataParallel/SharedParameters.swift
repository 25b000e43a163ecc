// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore
internal import Tracing

/// One copy of the parameters per local group, and the gradients of all its members in shared memory.
///
/// An owner adds up its shard directly from its neighbors' gradients, and writes the new parameters
/// where all members read them.
final class SharedParameters {
  /// The gradient buffers of each member by local rank, one per partial sum in the slice tree.
  let gradients: [[AlignedBuffer<Float>]]
  /// Whether this rank writes what others read with streaming (non-temporal) stores.
  let usesStreamingStores: Bool

  /// Moves a store's parameters and gradients to memory that the group shares; all members.
  ///
  /// - Parameters:
  ///   - buffers: the number of gradient buffers that each member needs.
  ///   - ownRanges: the elements that this rank owns.
  ///   - streamingStores: whether to use streaming stores; nil measures which stores are faster.
  /// - Throws: `MPIError/sharedMemoryUnavailable(bytes:reason:)` on all members alike.
  init(
    _ group: LocalGroup, _ members: Communicator, _ store: ParameterStore, buffers: [Int],
    ownRanges: [Range<Int>], streamingStores: Bool?
  ) throws(MPIError) {
    usesStreamingStores =
      if let streamingStores {
        streamingStores
      } else {
        try StreamingStoreProbe.prefersStreaming(group, members)
      }
    let length = (store.table.parameterCount + 15) / 16 * 16
    let bytes = length * MemoryLayout<Float>.stride
    let own = buffers[members.rank] + (members.rank == 0 ? 1 : 0)
    let window = try SharedWindow(members, ownBytes: own * bytes)
    func buffer(of rank: Int, _ index: Int) -> AlignedBuffer<Float>? {
      guard let base = window.segment(of: rank).baseAddress else { return nil }
      let first = base + index * bytes
      return AlignedBuffer(
        first.bindMemory(to: Float.self, capacity: length), count: store.table.parameterCount,
        ownedBy: window)
    }
    // The first member's segment begins with the parameters.
    gradients = buffers.enumerated().map { rank, count in
      (0..<count).compactMap { buffer(of: rank, $0 + (rank == 0 ? 1 : 0)) }
    }
    guard let parameters = buffer(of: 0, 0) else { return }
    if members.rank == 0 {
      parameters.base.update(from: store.parameters.base, count: parameters.count)
    }
    try group.synchronize(at: .parameters)
    store.move(
      parameters: parameters, gradients: gradients[members.rank],
      unstreamed: usesStreamingStores ? ownRanges : nil)
  }
}

/// Measures how a rank best writes memory that its local group has read and will read again.
///
/// Where cores share a third-level cache, a regular store costs four times as much as a streaming
/// one, but the next reader finds it in the cache. Where they don't, it costs eighteen times as much.
/// Which of the two holds depends on where the ranks run, and a virtual machine doesn't report it.
/// The probe takes less than a millisecond.
private enum StreamingStoreProbe {
  private static let count = 16 * 1024
  private static let rounds = 9
  /// How many times faster streaming stores must be to gain more than readers lose: measured on
  /// Zen 4, they are 4 times faster and lose, or 18 times and win.
  private static let worthwhile = 8.0

  /// Whether streaming stores are fast enough to pay off; all members, each of which decides for
  /// itself, since no result depends on it.
  ///
  /// - Throws: As `SharedWindow/init(_:ownBytes:)`.
  static func prefersStreaming(
    _ group: LocalGroup, _ members: Communicator
  ) throws(MPIError) -> Bool {
    let window = try SharedWindow(members, ownBytes: count * MemoryLayout<Float>.stride)
    let segments = (0..<members.size).compactMap {
      window.segment(of: $0).baseAddress?.bindMemory(to: Float.self, capacity: count)
    }
    let source = AlignedBuffer<Float>(count: count)
    var seconds: (regular: [Double], streaming: [Double]) = ([], [])
    for _ in 0..<rounds {
      for streams in [false, true] {
        source.base[0] = Float(segments.reduce(0) { $0 + Reductions.sumOfSquares($1, count) })
        try group.synchronize(at: .parameters)
        let start = MonotonicClock.seconds
        if streams {
          StreamingStores.copy(source.base, to: segments[members.rank], count)
          StreamingStores.finish()
          seconds.streaming.append(MonotonicClock.seconds - start)
        } else {
          segments[members.rank].update(from: source.base, count: count)
          seconds.regular.append(MonotonicClock.seconds - start)
        }
        try group.synchronize(at: .parameters)
      }
    }
    return median(seconds.regular) > worthwhile * median(seconds.streaming)
  }

  /// The first round is unlike all others: nobody has read anything before it.
  private static func median(_ seconds: [Double]) -> Double {
    seconds.sorted()[seconds.count / 2]
  }
}
