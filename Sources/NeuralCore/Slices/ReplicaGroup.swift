// SPDX-License-Identifier: Apache-2.0

/// What the training loop asks of the group of replicas, beside ``Replicas``.
///
/// All replicas call all functions, in the same order. ``SingleProcessGroup`` is a group of one; other
/// implementations reach over processes.
public protocol ProcessGroup: AnyObject {
  /// This replica's number, 0 for the one that writes files and reports.
  var rank: Int { get }
  /// How many replicas there are.
  var size: Int { get }
  /// The host of each replica, in rank order.
  var hosts: [String] { get }

  /// Takes note of what begins, and in which step; this replica.
  func note(_ activity: Activity, step: Int)

  /// Every replica's bytes, in rank order, on every replica.
  func allGather(_ bytes: [UInt8]) throws -> [[UInt8]]

  /// The replicas that share memory with this one under a transport, itself among them.
  func machine(_ transport: ExchangeOptions.Transport) throws -> Range<Int>

  /// One copy of some bytes for all replicas of a machine; all replicas of it.
  ///
  /// - Parameter fill: writes the bytes; called on the machine's first replica alone.
  /// - Returns: the bytes, on a 64-byte boundary; nil on all of them if there is no room to share.
  func shareOnMachine(
    _ transport: ExchangeOptions.Transport, bytes: Int, fill: (UnsafeMutableRawPointer) -> Void
  ) throws -> AlignedBuffer<UInt8>?

  /// Makes this group the one that trains `network`, on batches cut into `slices`.
  func join(_ network: NeuralNetwork, slices: Int, exchange: ExchangeOptions) throws

  /// The optimizer's moments of all parameters of the joined network, from their owners.
  ///
  /// - Returns: on rank 0 one buffer a moment, laid out as the parameters; elsewhere nothing. They
  ///   are copies, which are written to disk while later steps run.
  func gatherOptimizerState() throws -> [AlignedBuffer<Float>]

  /// Gives the joined network's optimizer its moments back, of which each replica keeps its part.
  ///
  /// - Parameter moments: on every replica one buffer a moment, laid out as the parameters.
  func loadOptimizerState(_ moments: [AlignedBuffer<Float>])

  /// What this replica has spent its time on since it joined, outside of computing.
  var communicationTimes: CommunicationTimes { get }

  /// What this replica has moved in steps since it joined.
  var communicationTraffic: CommunicationTraffic { get }

  /// How many parties the joined network's gradients travel between in messages: a party is a replica,
  /// or a few that share memory; 1 where nothing is sent.
  var exchangeParties: Int { get }
}

/// Why a replica can't go on: an exit status and one sentence.
public struct Failure: Hashable, Sendable, Error, CustomStringConvertible {
  /// The exit status, as sysexits.h numbers them.
  public let status: Int32
  /// What is wrong, where, and what to do.
  public let message: String

  /// A failure with its status and words.
  public init(status: Int32, message: String) {
    self.status = status
    self.message = message
  }

  /// The message.
  public var description: String { message }
}

/// How gradients are exchanged; the bits of the results don't depend on it.
public struct ExchangeOptions: Hashable, Sendable {
  /// Who updates which parameters.
  public enum Mode: String, CaseIterable, Sendable {
    /// Each replica updates its shard and sends the new parameters to the others.
    case sharded
    /// Each replica gets the whole gradient and updates all parameters.
    case allReduce = "all-reduce"
  }

  /// How the parts of a gradient come to the replica that adds them up.
  public enum Schedule: String, CaseIterable, Sendable {
    /// Each replica sends to each.
    case direct
    /// Neighbors exchange halves, then pairs of neighbors, and so on: fewer messages.
    case halving
    /// Directly among up to 8 teams of replicas that share memory, by halving among more.
    case auto

    /// Whether that many teams exchange by halving.
    public func halves(teams: Int) -> Bool {
      self == .halving || self == .auto && teams > 8
    }
  }

  /// What replicas on one machine exchange by.
  public enum Transport: String, CaseIterable, Sendable {
    /// Shared memory on a machine, messages between machines.
    case auto
    /// Messages everywhere.
    case messages
  }

  /// Who updates which parameters.
  public var mode: Mode
  /// How the parts of a gradient come to the replica that adds them up.
  public var schedule: Schedule
  /// What replicas on one machine exchange by.
  public var transport: Transport
  /// About how many bytes of gradients are sent at a time.
  public var bucketBytes: Int
  /// Bytes that are sent at a time unless asked otherwise: large enough to fill a link, and small enough
  /// that most of a wide layer is on its way before the layer is done.
  public static let usualBucketBytes = 1 << 20

  /// Sets how to exchange.
  public init(
    mode: Mode = .sharded, schedule: Schedule = .auto, transport: Transport = .auto,
    bucketBytes: Int = Self.usualBucketBytes
  ) {
    self.mode = mode
    self.schedule = schedule
    self.transport = transport
    self.bucketBytes = bucketBytes
  }
}
