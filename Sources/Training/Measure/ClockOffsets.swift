// SPDX-License-Identifier: Apache-2.0
package import NeuralCore

/// How far the clocks of hosts are apart.
package enum ClockOffsets {
  private static let meetings = 32

  /// Seconds that each replica's clock is ahead of that of replica 0; all replicas.
  ///
  /// Replicas of one host share a clock. Over hosts all meet, again and again: nobody leaves a meeting
  /// before everybody has entered it, so each meeting bounds a difference from both sides, and the
  /// middle between the closest bounds is right to half the time of the fastest meeting.
  ///
  /// - Parameter clock: reads the clock that is compared; the monotonic one by default.
  /// - Throws: what the group throws.
  package static func measure(
    _ group: any ProcessGroup, clock: () -> Double = { MonotonicClock.seconds }
  ) throws -> [Double] {
    guard Set(group.hosts).count > 1 else { return Array(repeating: 0, count: group.size) }
    var own: [Double] = []
    for _ in 0..<meetings {
      own.append(clock())
      _ = try group.minimum(0)
      own.append(clock())
    }
    let times = try group.allGather(own.flatMap { bytes(of: $0) }).map(numbers)
    return group.hosts.indices.map { rank in
      guard group.hosts[rank] != group.hosts[0] else { return 0 }
      return offset(of: times[rank], against: times[0])
    }
  }

  /// The middle of the bounds that meetings set, given when two clocks entered and left each.
  private static func offset(of clock: [Double], against first: [Double]) -> Double {
    var (least, most) = (-Double.infinity, Double.infinity)
    for enter in stride(from: 0, to: Swift.min(clock.count, first.count) - 1, by: 2) {
      least = Swift.max(least, clock[enter] - first[enter + 1])
      most = Swift.min(most, clock[enter + 1] - first[enter])
    }
    return (least + most) / 2
  }

  private static func bytes(of number: Double) -> [UInt8] {
    withUnsafeBytes(of: number.bitPattern.littleEndian) { Array($0) }
  }

  private static func numbers(in bytes: [UInt8]) -> [Double] {
    bytes.withUnsafeBytes { raw in
      stride(from: 0, to: raw.count - raw.count % 8, by: 8).map {
        Double(
          bitPattern: UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: $0, as: UInt64.self)))
      }
    }
  }
}
