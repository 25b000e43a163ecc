// SPDX-License-Identifier: Apache-2.0

/// How ranks are divided into teams that share memory.
///
/// Ranks that follow each other on one machine are a team. So a team's slices are one run of slices,
/// and what its ranks have added up together are nodes of the slice tree. Ranks that are dealt out
/// over machines in turn, and all ranks where messages are asked for, are teams of one.
package struct HostTeams: Hashable {
  /// The ranks of each team, in order.
  package let teams: [Range<Int>]
  /// Which team this rank is in.
  package let own: Int
  /// The other teams.
  package let others: [Int]
  /// This rank.
  package let rank: Int

  /// Divides ranks by the machine that each is on.
  ///
  /// - Parameter machines: for each rank a number that ranks of one machine have in common.
  package init(machines: [Int], rank: Int) {
    var teams: [Range<Int>] = []
    for (rank, machine) in machines.enumerated() {
      if let last = teams.last, machines[last.lowerBound] == machine {
        teams[teams.count - 1] = last.lowerBound..<rank + 1
      } else {
        teams.append(rank..<rank + 1)
      }
    }
    self.teams = teams
    self.rank = rank
    let own = teams.firstIndex { $0.contains(rank) } ?? 0
    self.own = own
    others = teams.indices.filter { $0 != own }
  }

  /// Makes each of `ranks` ranks a team of its own.
  init(alone rank: Int, of ranks: Int) {
    self.init(machines: Array(0..<ranks), rank: rank)
  }

  /// The ranks of this rank's team.
  package var members: Range<Int> { teams[own] }
  /// This rank's place in its team.
  package var place: Int { rank - members.lowerBound }

  /// The rank of a team that sends and receives what concerns the shards of `owner`, a rank of
  /// another team: the work is dealt out over the team.
  package func agent(ofTeam team: Int, forShardsOf owner: Int) -> Int {
    teams[team].lowerBound + owner % teams[team].count
  }

  /// The ranks of other teams whose shards this rank sends to and receives for its team.
  package var clients: [Int] {
    others.flatMap { teams[$0] }.filter { agent(ofTeam: own, forShardsOf: $0) == rank }
  }
}
