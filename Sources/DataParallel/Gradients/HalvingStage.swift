// SPDX-License-Identifier: Apache-2.0

/// One rank's part in one stage of recursive halving: who sends which shards to whom.
///
/// Before stage j, each block of 2^j ranks (the last one may be cut off) has added up what its ranks
/// have, and each shard of that sum is held by one rank of the block. The stage merges neighboring
/// blocks; of the two holders of a shard one sends its part to the other. With distances 1, 2, 4 …
/// the additions are those of the slice tree. After: Thakur, Rabenseifner, Gropp, "Optimization of
/// Collective Communication Operations in MPICH", 2005, section 4.2, with the distances turned round.
package struct HalvingStage {
  /// The shards that go to, or come from, one other rank.
  package struct Message {
    package let peer: Int
    package let shards: [Int]
  }

  /// The ranks of the left block and of the right one.
  package let blocks: [Range<Int>]
  /// Whether this rank belongs to the left block.
  package let isLeft: Bool
  /// What this rank sends.
  package let sends: [Message]
  /// What this rank receives, and holds the merge of after the stage.
  package let receives: [Message]

  /// The stages of `rank` of `ranks` in order; stages without a neighboring block are left out.
  package static func all(rank: Int, ranks: Int) -> [HalvingStage] {
    var stages: [HalvingStage] = []
    var size = 1
    while size < ranks {
      let left = rank / (2 * size) * 2 * size
      if left + size < ranks {
        stages.append(HalvingStage(rank: rank, ranks: ranks, left: left, size: size))
      }
      size *= 2
    }
    return stages
  }

  private init(rank: Int, ranks: Int, left: Int, size: Int) {
    let right = left + size
    blocks = [left..<right, right..<Swift.min(right + size, ranks)]
    isLeft = rank < right
    var sent: [Int: [Int]] = [:]
    var received: [Int: [Int]] = [:]
    for shard in 0..<ranks {
      let holders = [left, right].map {
        Self.holder(ofShard: shard, block: $0, size: size, ranks: ranks)
      }
      let next = Self.holder(ofShard: shard, block: left, size: 2 * size, ranks: ranks)
      let other = next == holders[0] ? holders[1] : holders[0]
      if rank == other { sent[next, default: []].append(shard) }
      if rank == next { received[other, default: []].append(shard) }
    }
    sends = sent.sorted { $0.key < $1.key }.map { Message(peer: $0.key, shards: $0.value) }
    receives = received.sorted { $0.key < $1.key }.map { Message(peer: $0.key, shards: $0.value) }
  }

  /// The rank of the block of `size` ranks from `block` that holds the block's sum of a shard.
  ///
  /// It has the last bits of the shard's owner, as many as there are ranks for.
  static func holder(ofShard shard: Int, block: Int, size: Int, ranks: Int) -> Int {
    var size = size
    while block + shard % size >= ranks { size /= 2 }
    return block + shard % size
  }
}
