// SPDX-License-Identifier: Apache-2.0

/// Seconds that a rank has spent on anything but computing.
public struct CommunicationTimes: Sendable {
  /// Waiting for the statistics and sums of other ranks.
  public var wait = 0.0
  /// Exchanging gradients and parameters, and adding up gradients.
  public var exchange = 0.0
  /// Updating parameters.
  public var update = 0.0

  /// Zero seconds.
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

/// Bytes that a rank has moved in training steps.
public struct CommunicationTraffic: Equatable, Sendable, Codable {
  /// Gradients and parameters that it sent in messages.
  public var exchange = 0
  /// Statistics and sums over the batch that it sent in messages.
  public var statistics = 0
  /// Gradients that it read from the memory of ranks on the same host.
  public var shared = 0

  /// Zero bytes.
  public init() {}

  /// The bytes moved after an earlier reading.
  public func since(_ earlier: CommunicationTraffic) -> CommunicationTraffic {
    var traffic = self
    traffic.exchange -= earlier.exchange
    traffic.statistics -= earlier.statistics
    traffic.shared -= earlier.shared
    return traffic
  }
}
