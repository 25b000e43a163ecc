// SPDX-License-Identifier: Apache-2.0

/// How gradients are exchanged; the bits of the results don't depend on it.
public struct ExchangeOptions: Hashable, Sendable {
  /// Who updates which parameters.
  public enum Mode: String, CaseIterable, Sendable {
    /// Each rank updates its shard and sends the new parameters to the others.
    case sharded
    /// Each rank gets the whole gradient and updates all parameters.
    case allReduce = "all-reduce"
  }

  /// How partial gradients reach the rank that adds them up.
  public enum Schedule: String, CaseIterable, Sendable {
    /// Each rank sends to every other one.
    case direct
    /// Recursive halving: neighbors exchange halves, then pairs of neighbors, and so on: fewer messages.
    case halving
    /// Direct between up to 8 local groups (ranks that share memory), halving between more.
    case auto

    /// Whether `groups` local groups exchange by recursive halving.
    public func halves(groups: Int) -> Bool {
      self == .halving || self == .auto && groups > 8
    }
  }

  /// How ranks on one host communicate.
  public enum Transport: String, CaseIterable, Sendable, Codable {
    /// Shared memory on a host, messages between hosts.
    case auto
    /// Messages everywhere.
    case messages
  }

  /// Who updates which parameters.
  public var mode: Mode
  /// How partial gradients reach the rank that adds them up.
  public var schedule: Schedule
  /// How ranks on one host communicate.
  public var transport: Transport
  /// The approximate size of a bucket of gradients, in bytes.
  public var bucketBytes: Int
  /// The default size of a bucket, in bytes: large enough to fill a link, and small enough that most
  /// of a wide layer is in flight before its backward pass is done.
  public static let defaultBucketBytes = 1 << 20

  /// Options, each with its default.
  public init(
    mode: Mode = .sharded, schedule: Schedule = .auto, transport: Transport = .auto,
    bucketBytes: Int = Self.defaultBucketBytes
  ) {
    self.mode = mode
    self.schedule = schedule
    self.transport = transport
    self.bucketBytes = bucketBytes
  }
}

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
