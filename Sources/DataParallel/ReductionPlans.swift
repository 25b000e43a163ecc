// SPDX-License-Identifier: Apache-2.0
package import NeuralCore

/// The plans by which partial results are merged over ranks: within local groups, then between them.
///
/// The ranks of a group are consecutive, so every plan adds in the one slice tree.
package final class GroupPlans {
  /// Merges what the members of this rank's group have; its owners are the members.
  package let members: MergingPlans
  /// Merges what the groups have; its owners are the groups.
  package let groups: MergingPlans
  /// Merges what each member of this rank's group has with what the other groups have; its owners
  /// are the members in place of their group.
  package let membersAndOthers: MergingPlans
  /// Merges what each rank has; its owners are the ranks.
  package let ranks: MergingPlans
  /// What each owner of ``membersAndOthers`` is.
  package let owners: [Owner]

  /// An owner of partial results.
  package enum Owner: Hashable {
    /// A member of this rank's group, by its local rank.
    case member(Int)
    /// Another group, by its index.
    case group(Int)
  }

  package init(_ partition: SlicePartition, _ groups: LocalGroups) {
    let ranks = groups.ranks.last?.upperBound ?? 1
    let slices = (0..<ranks).map {
      SlicePartition(count: partition.count, rank: $0, of: ranks).owned
    }
    func slicesOfGroup(_ group: Range<Int>) -> Range<Int> {
      slices[group.lowerBound].lowerBound..<slices[group.upperBound - 1].upperBound
    }
    self.ranks = MergingPlans(partition, owners: slices)
    members = MergingPlans(partition, owners: groups.members.map { slices[$0] })
    self.groups = MergingPlans(partition, owners: groups.ranks.map(slicesOfGroup))
    var owners: [Owner] = []
    var ownerSlices: [Range<Int>] = []
    for (index, group) in groups.ranks.enumerated() {
      if index == groups.own {
        owners += group.indices.map { .member($0 - group.lowerBound) }
        ownerSlices += group.map { slices[$0] }
      } else {
        owners.append(.group(index))
        ownerSlices.append(slicesOfGroup(group))
      }
    }
    self.owners = owners
    membersAndOthers = MergingPlans(partition, owners: ownerSlices)
  }

  /// The gradient buffers that each member needs: the partial sums that its own slices add up to.
  package var gradientBuffersOfMembers: [Int] {
    members.largest.itemsOfOwner.map { Swift.max($0.count, 1) }
  }
}

/// The plans that merge what some owners of slices have, one per batch size so far.
package final class MergingPlans {
  private let partition: SlicePartition
  private let owners: [Range<Int>]
  private var known: [Int: MergingPlan] = [:]
  /// The plan asked for last: consecutive batches are mostly of the same size.
  private var last: (batchRows: Int, plan: MergingPlan)?

  package init(_ partition: SlicePartition, owners: [Range<Int>]) {
    self.partition = partition
    self.owners = owners
  }

  package func plan(batchRows: Int) -> MergingPlan {
    if let last, last.batchRows == batchRows { return last.plan }
    let plan =
      known[batchRows] ?? SliceTree(partition, batchRows: batchRows).mergingPlan(owners: owners)
    known[batchRows] = plan
    last = (batchRows, plan)
    return plan
  }

  /// The plan with the most items: that of a batch with rows in every slice.
  package var largest: MergingPlan { plan(batchRows: partition.count) }
}

/// Adds up long buffers in the order of a plan, one piece that fits the cache at a time.
package final class TreeSum {
  private static let piece = 2048
  private var scratch = AlignedBuffer<Float>(count: 0)
  private var partialSums: [UnsafePointer<Float>] = []

  package init() {}

  /// results = what `plan` leaves of `items`, element by element.
  ///
  /// A single result may be one of the items: a piece is read before it is written.
  ///
  /// - Parameters:
  ///   - items: as many as the plan has.
  ///   - results: as many as the plan has.
  package func add(
    _ items: [UnsafePointer<Float>], as plan: ReductionPlan, count: Int,
    into results: [UnsafeMutablePointer<Float>]
  ) {
    guard let any = items.first else { return }
    if scratch.count < plan.depth * Self.piece {
      scratch = AlignedBuffer(count: plan.depth * Self.piece)
    }
    if partialSums.count < plan.depth {
      partialSums = Array(repeating: any, count: plan.depth)
    }
    var first = 0
    while first < count {
      let length = Swift.min(Self.piece, count - first)
      addPiece(items, as: plan, at: first, length: length, into: results)
      first += length
    }
  }

  private func addPiece(
    _ items: [UnsafePointer<Float>], as plan: ReductionPlan, at first: Int, length: Int,
    into results: [UnsafeMutablePointer<Float>]
  ) {
    plan.run(
      push: { item, position in partialSums[position] = items[item] + first },
      merge: { step in
        let position = step.position
        let sum =
          step.isResult ? results[position] + first : scratch.base + position * Self.piece
        Reductions.add(partialSums[position], partialSums[position + 1], into: sum, length)
        partialSums[position] = UnsafePointer(sum)
      })
    for position in 0..<plan.resultCount where partialSums[position] != results[position] + first {
      (results[position] + first).update(from: partialSums[position], count: length)
    }
  }
}
