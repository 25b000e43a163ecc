// SPDX-License-Identifier: Apache-2.0
public import MessagePassing
public import NeuralCore

/// The ranks of a communicator as a group of replicas.
public final class RankGroup: ReplicaGroup {
  /// This rank's number.
  public let rank: Int
  /// How many ranks there are.
  public let size: Int
  /// The host of each rank.
  public let hosts: [String]
  private let communicator: Communicator
  private var replicas: RankReplicas?
  /// What a group of one does its work by: it has nobody to talk to.
  private let sole: SoleGroup?

  /// Makes the group; all ranks.
  ///
  /// - Parameters:
  ///   - communicator: used by the group alone from now on.
  ///   - host: the name of the host that this rank runs on.
  /// - Throws: `MPIError` when the hosts can't be exchanged.
  public init(_ communicator: Communicator, host: String) throws {
    self.communicator = communicator
    rank = communicator.rank
    size = communicator.size
    sole = communicator.size == 1 ? SoleGroup(host: host) : nil
    hosts = try communicator.allGather(bytes: Array(host.utf8)).map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  public func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    try communicator.allGather(bytes: bytes)
  }

  public func join(_ network: NeuralNetwork, slices: Int, exchange: ExchangeOptions) throws {
    if let sole { return try sole.join(network, slices: slices, exchange: exchange) }
    let joined = try RankReplicas(
      communicator, store: network.store, slices: slices, optimizer: network.optimizer,
      options: exchange)
    replicas = joined
    network.replicas = joined
  }

  public func gatherMoments() throws -> [AlignedBuffer<Float>] {
    try sole?.gatherMoments() ?? replicas?.gatherMoments() ?? []
  }

  public func loadMoments(_ moments: [AlignedBuffer<Float>]) {
    sole?.loadMoments(moments)
    replicas?.loadMoments(moments)
  }

  public var communicationTimes: CommunicationTimes {
    sole?.communicationTimes ?? replicas?.times ?? CommunicationTimes()
  }
}
