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
