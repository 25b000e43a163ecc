// SPDX-License-Identifier: Apache-2.0
internal import DataParallel
internal import NeuralCore

/// Equal hosts with equally many ranks each, and how many nodes of the slice tree each host has.
public struct EqualHosts: Sendable {
  /// How many hosts.
  public let hosts: Int
  /// Ranks on each.
  public let ranksPerHost: Int
  /// How many ranks there are.
  public var ranks: Int { hosts * ranksPerHost }
  /// The nodes that each host's slices add up to.
  let nodes: [Int]
  let partition: SlicePartition
  let batchRows: Int

  /// Spreads a batch's slices.
  ///
  /// - Parameter slices: how many; nil for one a rank.
  public init(hosts: Int, ranksPerHost: Int, slices: Int?, batchRows: Int) {
    self.hosts = hosts
    self.ranksPerHost = ranksPerHost
    self.batchRows = batchRows
    let ranks = hosts * ranksPerHost
    partition = SlicePartition(count: slices ?? ranks, rank: 0, of: ranks)
    let division = HostTeams(machines: (0..<ranks).map { $0 / ranksPerHost }, rank: 0)
    let plan = TeamPlans(partition, division).teams.plan(batchRows: batchRows)
    nodes = plan.itemsOfOwner.map(\.count)
  }

  func host(ofRank rank: Int) -> Int { rank / ranksPerHost }

  func ranks(ofHost host: Int) -> Range<Int> {
    host * ranksPerHost..<(host + 1) * ranksPerHost
  }

  /// The slices of each rank.
  var owners: [Range<Int>] {
    (0..<ranks).map { SlicePartition(count: partition.count, rank: $0, of: ranks).owned }
  }

  /// The hosts whose traffic stands for that of all: the first, a middle and the last one.
  var samples: [Int] {
    ranks > 4096 ? [0] : Array(Set([0, hosts / 2, hosts - 1])).sorted()
  }
}
