// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// Brings new parameters from the owners of the shards to all teams.
///
/// An owner writes its shard where its own team reads it, and sends it to one member of each other
/// team, bucket by bucket, while it updates the next bucket.
final class ParameterGather {
  private let team: HostTeam
  private let store: ParameterStore
  private let shards: ShardTable
  private let requests: RequestGroup
  private let clients: [Int]
  /// How many of the first parameters are brought to the core's cache.
  private let fetched: Int
  /// A second-level cache has room for about this many.
  private static let mostFetched = 1 << 18

  /// - Parameter areStreamed: whether owners write their shards past the caches.
  init(_ team: HostTeam, _ store: ParameterStore, _ shards: ShardTable, areStreamed: Bool) {
    fetched = areStreamed ? Swift.min(store.parameters.count, Self.mostFetched) : 0
    self.team = team
    self.store = store
    self.shards = shards
    clients = team.division.clients
    requests = RequestGroup(
      capacity: (clients.count + team.division.others.count) * shards.buckets.count)
  }

  /// Begins to receive; all ranks, once all members have done with the old parameters.
  func begin() throws {
    for (bucket, shards) in shards.shards.enumerated() {
      for client in clients where !shards[client].isEmpty {
        try requests.startReceive(
          into: UnsafeMutableBufferPointer(
            rebasing: store.parameters.mutableElements[shards[client]]),
          from: client, tag: tag(bucket), on: team.world, owner: store.parameters)
      }
    }
  }

  /// Begins to send this rank's shard of a bucket, whose parameters are new.
  func send(bucket: Int) throws {
    let own = shards.shards[bucket][team.world.rank]
    guard !own.isEmpty, team.division.teams.count > 1 else { return }
    for other in team.division.others {
      try requests.startSend(
        UnsafeBufferPointer(rebasing: store.parameters.elements[own]),
        to: team.division.agent(ofTeam: other, forShardsOf: team.world.rank), tag: tag(bucket),
        on: team.world, owner: store.parameters)
    }
    try requests.progress()
  }

  /// Returns once all parameters are new here; all ranks.
  func finish() throws {
    try requests.waitAll()
    try team.meet(.parameters)
    StreamingStores.fetch(store.parameters.base, fetched)
  }

  /// Gradients of the same buckets travel under the tags below.
  private func tag(_ bucket: Int) -> Int { shards.buckets.count + bucket }
}
