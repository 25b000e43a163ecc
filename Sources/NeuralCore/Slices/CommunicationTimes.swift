// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Seconds that a replica has spent on what is not computing.
public struct CommunicationTimes: Sendable {
  /// Waiting for the other replicas' statistics and sums.
  public var wait = 0.0
  /// Moving gradients and parameters, and adding gradients up.
  public var exchange = 0.0
  /// Updating parameters.
  public var update = 0.0

  /// No time spent yet.
  public init() {}

  /// The seconds spent after an earlier reading.
  public func since(_ earlier: CommunicationTimes) -> CommunicationTimes {
    var times = self
    times.wait -= earlier.wait
    times.exchange -= earlier.exchange
    times.update -= earlier.update
    return times
  }
}

/// Seconds on the machine's monotonic clock.
package enum MonotonicClock {
  package static var seconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
