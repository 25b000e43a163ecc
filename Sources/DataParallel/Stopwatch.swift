// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Seconds on the machine's monotonic clock.
enum Stopwatch {
  static var seconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
