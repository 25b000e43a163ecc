// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// One copy of the parameters for a team, and the gradients of all its members in sight of each.
///
/// An owner adds its shard up straight out of its neighbors' gradients, and writes the new
/// parameters where all read them.
final class SharedParameters {
  /// The gradient buffers of each member, in the members' order, one for each node of the slice tree.
  let gradients: [[AlignedBuffer<Float>]]
  /// Whether this rank writes what others read past the caches.
  let streams: Bool

  /// Moves a store's parameters and gradients to memory that the team shares; all members.
  ///
  /// - Parameters:
  ///   - nodes: how many gradient buffers each member needs.
  ///   - ownRanges: the elements that this rank owns.
  ///   - streams: whether to write past the caches; nil to measure what is faster.
  /// - Throws: `MPIError/sharedMemoryUnavailable(bytes:reason:)` on all members alike.
  init(
    _ team: HostTeam, _ members: Communicator, _ store: ParameterStore, nodes: [Int],
    ownRanges: [Range<Int>], streams: Bool?
  ) throws(MPIError) {
    self.streams =
      if let streams { streams } else { try StoreTrial.prefersStreaming(team, members) }
    let length = (store.table.parameterCount + 15) / 16 * 16
    let bytes = length * MemoryLayout<Float>.stride
    let own = nodes[members.rank] + (members.rank == 0 ? 1 : 0)
    let window = try SharedWindow(members, ownBytes: own * bytes)
    func buffer(of rank: Int, _ index: Int) -> AlignedBuffer<Float>? {
      guard let base = window.segment(of: rank).baseAddress else { return nil }
      let first = base + index * bytes
      return AlignedBuffer(
        first.bindMemory(to: Float.self, capacity: length), count: store.table.parameterCount,
        ownedBy: window)
    }
    // The first member's segment begins with the parameters.
    gradients = nodes.enumerated().map { rank, count in
      (0..<count).compactMap { buffer(of: rank, $0 + (rank == 0 ? 1 : 0)) }
    }
    guard let parameters = buffer(of: 0, 0) else { return }
    if members.rank == 0 {
      parameters.base.update(from: store.parameters.base, count: parameters.count)
    }
    try team.meet(.parameters)
    store.move(
      parameters: parameters, gradients: gradients[members.rank],
      unstreamed: self.streams ? ownRanges : nil)
  }
}
