// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore
internal import Tracing

/// Finds out how a rank best writes memory that its team has read and reads again.
///
/// Where cores share a third-level cache, a usual store costs four times as much as one past the
/// caches, but whoever reads it next finds it there. Where they don't, it costs eighteen times as much.
/// Which it is depends on where the ranks run, and a virtual machine doesn't tell. The trial takes
/// less than a millisecond.
enum StoreTrial {
  private static let count = 16 * 1024
  private static let rounds = 9
  /// How many times faster stores past the caches must be to gain more than readers lose: measured
  /// on Zen 4, they are 4 times faster and lose, or 18 times and win.
  private static let worthwhile = 8.0

  /// Whether stores past the caches are faster by so much that they pay; all members, each of which
  /// decides for itself, since no result depends on it.
  ///
  /// - Throws: As `SharedWindow/init(_:ownBytes:)`.
  static func prefersStreaming(
    _ team: HostTeam, _ members: Communicator
  ) throws(MPIError) -> Bool {
    let window = try SharedWindow(members, ownBytes: count * MemoryLayout<Float>.stride)
    let segments = (0..<members.size).compactMap {
      window.segment(of: $0).baseAddress?.bindMemory(to: Float.self, capacity: count)
    }
    let source = AlignedBuffer<Float>(count: count)
    var seconds: (usual: [Double], past: [Double]) = ([], [])
    for _ in 0..<rounds {
      for streams in [false, true] {
        source.base[0] = Float(segments.reduce(0) { $0 + Reductions.sumOfSquares($1, count) })
        try team.meet(.parameters)
        let start = MonotonicClock.seconds
        if streams {
          StreamingStores.copy(source.base, to: segments[members.rank], count)
          StreamingStores.finish()
          seconds.past.append(MonotonicClock.seconds - start)
        } else {
          segments[members.rank].update(from: source.base, count: count)
          seconds.usual.append(MonotonicClock.seconds - start)
        }
        try team.meet(.parameters)
      }
    }
    return median(seconds.usual) > worthwhile * median(seconds.past)
  }

  /// The first round is unlike all others: nobody has read anything then.
  private static func median(_ seconds: [Double]) -> Double {
    seconds.sorted()[seconds.count / 2]
  }
}
