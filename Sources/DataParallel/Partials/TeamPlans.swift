// SPDX-License-Identifier: Apache-2.0
package import NeuralCore

/// In which steps partial results are merged over ranks: within teams, then between them.
///
/// Teams are runs of ranks, so every step adds in the one slice tree.
package final class TeamPlans {
  /// Merges what the members of this rank's team have; its owners are the members.
  package let members: MergingPlans
  /// Merges what the teams have; its owners are the teams.
  package let teams: MergingPlans
  /// Merges what the members of this rank's team have, each, and what other teams have, together;
  /// its owners are the members in place of their team.
  package let membersAndOthers: MergingPlans
  /// Merges what all ranks have, each.
  package let ranks: MergingPlans
  /// What each owner of ``membersAndOthers`` is.
  package let owners: [Owner]

  /// Whoever brings nodes.
  package enum Owner: Hashable {
    /// A member of this rank's team, by its place in it.
    case member(Int)
    /// Another team.
    case team(Int)
  }

  package init(_ partition: SlicePartition, _ division: HostTeams) {
    let ranks = division.teams.last?.upperBound ?? 1
    let slices = (0..<ranks).map {
      SlicePartition(count: partition.count, rank: $0, of: ranks).owned
    }
    func together(_ team: Range<Int>) -> Range<Int> {
      slices[team.lowerBound].lowerBound..<slices[team.upperBound - 1].upperBound
    }
    self.ranks = MergingPlans(partition, owners: slices)
    members = MergingPlans(partition, owners: division.members.map { slices[$0] })
    teams = MergingPlans(partition, owners: division.teams.map(together))
    var owners: [Owner] = []
    var ownerSlices: [Range<Int>] = []
    for (index, team) in division.teams.enumerated() {
      if index == division.own {
        owners += team.indices.map { .member($0 - team.lowerBound) }
        ownerSlices += team.map { slices[$0] }
      } else {
        owners.append(.team(index))
        ownerSlices.append(together(team))
      }
    }
    self.owners = owners
    membersAndOthers = MergingPlans(partition, owners: ownerSlices)
  }

  /// How many gradient buffers each member needs: the nodes that its own slices add up to.
  package var nodesOfMembers: [Int] {
    members.largest.itemsOfOwner.map { Swift.max($0.count, 1) }
  }
}
