// SPDX-License-Identifier: Apache-2.0
import DataParallel
import Testing

@Suite("Local groups")
struct LocalGroupsTests {
  @Test(
    "Consecutive ranks on one machine form a local group, and all others a group of one",
    arguments: [
      ([7], [0..<1]), ([7, 7, 7], [0..<3]), ([0, 0, 4, 4, 4], [0..<2, 2..<5]),
      // Ranks that are placed on machines in turn.
      ([0, 1, 0, 1], [0..<1, 1..<2, 2..<3, 3..<4]), ([0, 0, 1, 0], [0..<2, 2..<3, 3..<4]),
    ])
  func partition(machines: [Int], expected: [Range<Int>]) {
    for rank in machines.indices {
      let groups = LocalGroups(machines: machines, rank: rank)
      #expect(groups.ranks == expected && groups.count == expected.count)
      #expect(groups.members.contains(rank) && groups.members == expected[groups.own])
      #expect(groups.members.lowerBound + groups.localRank == rank)
      #expect(groups.others == expected.indices.filter { $0 != groups.own })
    }
  }

  @Test("One rank of each group exchanges what concerns the shards of a rank of another group")
  func remoteOwners() {
    for machines in [[0, 0, 0, 1], [0, 0, 1, 1, 1, 2], [0, 1, 2], [0, 0, 0]] {
      let groups = machines.indices.map { LocalGroups(machines: machines, rank: $0) }
      for owner in machines.indices {
        for (index, ranks) in groups[owner].ranks.enumerated() where index != groups[owner].own {
          let peer = groups[owner].peer(inGroup: index, forShardsOf: owner)
          #expect(ranks.filter { groups[$0].remoteOwners.contains(owner) } == [peer])
        }
        #expect(groups[owner].members.allSatisfy { !groups[$0].remoteOwners.contains(owner) })
      }
    }
  }
}

@Suite("Bucket readiness")
struct BucketReadinessTests {
  @Test(
    "A bucket becomes ready once, as soon as a final part contains it",
    arguments: [
      ([35..<Int.max, 12..<Int.max, 0..<Int.max, 0..<Int.max], [0, 1, 2, 3]),
      ([5..<19, 5..<25, 35..<Int.max, 5..<Int.max, 0..<Int.max], [2, 0, 1, 3]),
    ])
  func parts(parts: [Range<Int>], expected: [Int]) {
    var readiness = BucketReadiness([30..<40, 20..<30, 10..<20, 0..<10])
    // A new step begins with none.
    for _ in 0..<2 {
      var found: [Int] = []
      for part in parts { readiness.markFinal(part) { found.append($0) } }
      #expect(found == expected)
      readiness.reset()
    }
  }
}
