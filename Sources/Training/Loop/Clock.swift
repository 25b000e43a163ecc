// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// Seconds on the machine's monotonic clock.
enum Clock {
  static var seconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// Now, in ISO 8601.
  static var date: String { ISO8601DateFormatter().string(from: Date()) }
}
