// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Seconds on this machine's monotonic clock (clock_gettime(2), `CLOCK_MONOTONIC`).
package enum MonotonicClock {
  package static var seconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
