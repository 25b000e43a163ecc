// SPDX-License-Identifier: Apache-2.0

/// How long a rank waits for others before it says so, and before it gives up.
public struct StallLimits: Hashable, Sendable {
  /// Seconds of waiting after which the missing ranks are named.
  public var reportAfter: Double
  /// Seconds of waiting after which the job ends.
  public var abortAfter: Double

  /// Limits in seconds.
  public init(reportAfter: Double = 60, abortAfter: Double = 600) {
    self.reportAfter = reportAfter
    self.abortAfter = abortAfter
  }
}
