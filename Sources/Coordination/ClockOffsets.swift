// SPDX-License-Identifier: Apache-2.0
internal import Tracing

/// The offsets between the clocks of hosts.
package enum ClockOffsets {
  private static let barriers = 32

  /// Seconds by which each rank's clock is ahead of that of rank 0; all ranks.
  ///
  /// Ranks of one host share a clock. Over hosts, all ranks enter barriers: no rank leaves a barrier
  /// before every rank has entered it, so each one bounds a difference from both sides, and the
  /// midpoint of the tightest bounds is accurate to half the duration of the fastest barrier.
  ///
  /// - Parameter clock: reads the clock to compare; the monotonic one by default.
  /// - Throws: what the group throws.
  package static func measure(
    _ group: any ProcessGroup, clock: () -> Double = { MonotonicClock.seconds }
  ) throws -> [Double] {
    guard Set(group.hosts).count > 1 else { return Array(repeating: 0, count: group.size) }
    var own: [Double] = []
    for _ in 0..<barriers {
      own.append(clock())
      try group.barrier()
      own.append(clock())
    }
    let times = try group.allGather(values: own)
    return group.hosts.indices.map { rank in
      guard group.hosts[rank] != group.hosts[0] else { return 0 }
      return offset(of: times[rank], against: times[0])
    }
  }

  /// The midpoint of the bounds set by barriers, from the times at which both clocks entered and left
  /// each.
  private static func offset(of clock: [Double], against first: [Double]) -> Double {
    var (lower, upper) = (-Double.infinity, Double.infinity)
    for enter in stride(from: 0, to: min(clock.count, first.count) - 1, by: 2) {
      lower = max(lower, clock[enter] - first[enter + 1])
      upper = min(upper, clock[enter + 1] - first[enter])
    }
    return (lower + upper) / 2
  }
}
