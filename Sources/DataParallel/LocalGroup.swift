// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// This rank's local group: the ranks that share memory with it, and how they wait for each other.
final class LocalGroup {
  /// What the ranks of a local group wait for each other at.
  enum Barrier: Int, CaseIterable {
    /// Each rank has written its partial results.
    case partials
    /// The partial results of all groups are written.
    case allPartials
    /// The gradients of one more bucket are final.
    case gradients
    /// Each rank has written its sums of squares.
    case norm
    /// The sums of squares of all groups are written.
    case wholeNorm
    /// Each rank has written the sums from which trust ratios are made.
    case layerNorms
    /// The same sums of all groups are written.
    case allLayerNorms
    /// The parameters are updated.
    case parameters
  }

  /// All local groups.
  let groups: LocalGroups
  /// All ranks.
  let world: Communicator
  /// The ranks of this group; nil for a group of one.
  let members: Communicator?
  /// The first rank of each group; nil on other ranks, and where there is one group.
  let leaders: Communicator?
  private let counters: SharedCounters?
  /// Bytes of gradients that this rank has read from other members' memory.
  private(set) var bytesRead = 0

  /// Forms the local groups; all ranks.
  ///
  /// - Parameters:
  ///   - sharesMemory: false makes every rank a group of its own.
  ///   - machines: for each rank a number that ranks of one machine have in common; nil asks MPI.
  /// - Throws: `MPIError`, on all ranks of a machine alike where its memory can't be shared.
  init(_ world: Communicator, sharesMemory: Bool, machines: [Int]? = nil) throws(MPIError) {
    self.world = world
    let machine: Communicator? =
      if !sharesMemory {
        nil
      } else if let machines {
        try world.split(color: machines[world.rank])
      } else {
        try world.splitBySharedMemory()
      }
    let first = try machine?.broadcast(world.rank, root: 0) ?? world.rank
    groups = LocalGroups(machines: try world.allGather(first), rank: world.rank)
    try machine?.free()
    let own = try world.split(color: groups.own, key: world.rank)
    members = groups.members.count > 1 ? own : nil
    leaders =
      groups.count > 1
      ? try world.split(color: groups.localRank == 0 ? 0 : nil, key: world.rank) : nil
    counters = try members.map { (members) throws(MPIError) in
      try SharedCounters(members, kinds: Barrier.allCases.count)
    }
  }

  /// Marks that this rank has arrived at a barrier, and returns how many times it has.
  @discardableResult
  func arrive(at barrier: Barrier) -> Int {
    counters?.advance(barrier.rawValue) ?? 0
  }

  /// Whether all members have arrived at a barrier `count` times; never waits.
  func haveAllArrived(at barrier: Barrier, count: Int) -> Bool {
    counters?.haveAll(barrier.rawValue, reached: count) ?? true
  }

  /// Returns once all members have arrived at a barrier `count` times.
  func wait(at barrier: Barrier, count: Int) throws(MPIError) {
    try counters?.wait(barrier.rawValue, for: count)
  }

  /// Returns once all members have arrived at a barrier; all members.
  func synchronize(at barrier: Barrier) throws(MPIError) {
    try wait(at: barrier, count: arrive(at: barrier))
  }

  /// Counts gradients that this rank reads from the memory of a member, unless it is its own.
  func countRead(_ gradients: Int, ofLocalRank member: Int) {
    if member != groups.localRank { bytesRead &+= gradients &* MemoryLayout<Float>.stride }
  }
}

/// The partition of all ranks into local groups, each of which shares memory.
///
/// Consecutive ranks on one machine form a group, so a group's slices are consecutive and the partial
/// results that its ranks add up are those of subtrees of the slice tree. Ranks that are placed on
/// machines in turn, and all ranks where messages are asked for, are groups of one.
package struct LocalGroups: Hashable {
  /// The ranks of each group, in order.
  package let ranks: [Range<Int>]
  /// The index of the group that this rank is in.
  package let own: Int
  /// The indices of the other groups.
  package let others: [Int]
  /// This rank.
  package let rank: Int

  /// Groups ranks by the machine that each is on.
  ///
  /// - Parameter machines: for each rank a number that ranks of one machine have in common.
  package init(machines: [Int], rank: Int) {
    var groups: [Range<Int>] = []
    for (rank, machine) in machines.enumerated() {
      if let last = groups.last, machines[last.lowerBound] == machine {
        groups[groups.count - 1] = last.lowerBound..<rank + 1
      } else {
        groups.append(rank..<rank + 1)
      }
    }
    ranks = groups
    self.rank = rank
    let own = groups.firstIndex { $0.contains(rank) } ?? 0
    self.own = own
    others = groups.indices.filter { $0 != own }
  }

  /// The number of groups.
  package var count: Int { ranks.count }
  /// The ranks of this rank's group.
  package var members: Range<Int> { ranks[own] }
  /// This rank's index within its group.
  package var localRank: Int { rank - members.lowerBound }

  /// The rank of a group that sends and receives what concerns the shards of `owner`, a rank of
  /// another group: the work is distributed over the group.
  package func peer(inGroup group: Int, forShardsOf owner: Int) -> Int {
    ranks[group].lowerBound + owner % ranks[group].count
  }

  /// The ranks of other groups whose shards this rank sends to and receives for its group.
  package var remoteOwners: [Int] {
    others.flatMap { ranks[$0] }.filter { peer(inGroup: own, forShardsOf: $0) == rank }
  }
}
