// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// Collects Float64 numbers of all ranks on every rank, in the order of ranks, in two levels.
///
/// Within a local group each rank writes its numbers to shared memory, where all read them. Between
/// groups the leaders exchange one message, and the result goes to the other ranks of each group
/// through shared memory again.
final class TwoLevelGather {
  /// What is gathered: first within the group, then of all ranks.
  private(set) var numbers = AlignedBuffer<Double>(count: 0)
  private let group: LocalGroup
  private let ofMembers: SharedExchangeBuffer
  private let ofAll: SharedExchangeBuffer

  /// - Parameters:
  ///   - within: reached once each member has written its numbers.
  ///   - between: reached once the leader has written those of all groups.
  init(_ group: LocalGroup, within: LocalGroup.Barrier, between: LocalGroup.Barrier) {
    self.group = group
    ofMembers = SharedExchangeBuffer(group, within)
    ofAll = SharedExchangeBuffer(group, between)
  }

  /// Makes room for `count` numbers; rows keep no values if it must grow.
  func reserve(_ count: Int) {
    if numbers.count < count { numbers = AlignedBuffer(count: count) }
  }

  /// Collects the numbers of this rank's group; all members.
  ///
  /// - Parameters:
  ///   - parts: for each member where its numbers go in ``numbers``, in units of `width` numbers.
  ///   - maximum: the most units of a member.
  ///   - write: writes this rank's numbers.
  func gatherWithinGroup(
    _ parts: ArraySlice<Range<Int>>, maximum: Int, width: Int,
    write: (UnsafeMutablePointer<Double>) -> Void
  ) throws {
    let first = parts.startIndex
    guard group.members != nil else {
      write(numbers.base + parts[first].lowerBound * width)
      return
    }
    let own = try ofMembers.beginWriting(count: maximum * width)
    write(own)
    try ofMembers.finishWriting()
    for member in 0..<parts.count {
      let part = parts[first + member]
      (numbers.base + part.lowerBound * width).update(
        from: ofMembers.numbers(ofLocalRank: member), count: part.count * width)
    }
  }

  /// Collects the numbers of all groups, where there are several; all ranks.
  ///
  /// - Parameters:
  ///   - layout: where the numbers of each group go in ``numbers``.
  ///   - write: writes the numbers of this group, on its leader only. The target may be their place
  ///     in ``numbers`` itself.
  func gatherBetweenGroups(
    _ layout: BlockLayout, write: (UnsafeMutablePointer<Double>) -> Void
  ) throws {
    guard group.groups.count > 1 else { return }
    let count = layout.extent
    let target = group.members == nil ? numbers.base : try ofAll.beginWriting(count: count)
    if let leaders = group.leaders {
      write(target + layout[group.groups.own].lowerBound)
      try leaders.allGather(
        inPlace: UnsafeMutableBufferPointer(start: target, count: count), layout: layout)
    }
    guard group.members != nil else { return }
    try ofAll.finishWriting()
    numbers.base.update(from: ofAll.numbers(ofLocalRank: 0), count: count)
  }
}

/// Numbers in shared memory that each member of a local group writes and all then read.
///
/// Each member has two segments, used in turn, so one barrier per exchange is enough: before a member
/// writes a segment again it has passed the barrier of the exchange in between, and whoever arrived
/// there had finished reading the segment.
private final class SharedExchangeBuffer {
  private let group: LocalGroup
  private let barrier: LocalGroup.Barrier
  private var window: SharedWindow?
  private var capacity = 0
  private var turn = 0
  private var segments: [UnsafeMutablePointer<Double>] = []

  init(_ group: LocalGroup, _ barrier: LocalGroup.Barrier) {
    self.group = group
    self.barrier = barrier
  }

  /// This member's segment, to be written; all members, with the same count.
  ///
  /// - Throws: `MPIError/sharedMemoryUnavailable(bytes:reason:)` on all members alike, when the buffer
  ///   must grow and can't.
  func beginWriting(count: Int) throws(MPIError) -> UnsafeMutablePointer<Double> {
    // In a batch of few rows a group may have nothing to write.
    if count > capacity || segments.isEmpty { try grow(to: Swift.max(count, 1)) }
    turn = 1 - turn
    return segments[group.groups.localRank] + turn * capacity
  }

  /// Returns once all members have finished writing; all members.
  func finishWriting() throws(MPIError) {
    try group.synchronize(at: barrier)
  }

  /// What a member has written in this exchange.
  func numbers(ofLocalRank member: Int) -> UnsafePointer<Double> {
    UnsafePointer(segments[member] + turn * capacity)
  }

  private func grow(to count: Int) throws(MPIError) {
    guard let members = group.members else { return }
    // Segments begin on cache lines of their own.
    capacity = (count + 15) / 16 * 16
    let made = try SharedWindow(
      members, ownBytes: 2 * capacity * MemoryLayout<Double>.stride)
    segments = (0..<members.size).compactMap { rank in
      made.segment(of: rank).baseAddress?.bindMemory(to: Double.self, capacity: 2 * capacity)
    }
    window = made
  }
}

/// Merges small partial results of all ranks, and finishes their tree on every rank.
///
/// The ranks of a local group merge what they have first, so groups exchange only what is left.
final class PartialsMerge {
  private let group: LocalGroup
  private let plans: GroupPlans
  private let gather: TwoLevelGather
  private var layouts: [Shape: BlockLayout] = [:]

  private struct Shape: Hashable {
    let batchRows: Int
    let width: Int
  }

  init(_ group: LocalGroup, _ plans: GroupPlans) {
    self.group = group
    self.plans = plans
    gather = TwoLevelGather(group, within: .partials, between: .allPartials)
  }

  /// Merges the slices of all ranks into `partials.whole`; all ranks.
  func merge(_ partials: SlicePartials) throws {
    let (rows, width) = (partials.slices.batchRows, partials.width)
    let within = plans.members.plan(batchRows: rows)
    let between = plans.groups.plan(batchRows: rows)
    gather.reserve(Swift.max(within.plan.items.count, between.plan.items.count) * width)
    try gather.gatherWithinGroup(
      within.itemsOfOwner[...], maximum: within.maximumItems, width: width
    ) { own in
      partials.mergeOwn(into: own)
    }
    let count = partials.merge(gather.numbers.base, as: within.plan)
    if group.groups.count > 1 {
      // A batch may have rows in some groups only, so there may be no result here.
      try gather.gatherBetweenGroups(layout(between, Shape(batchRows: rows, width: width))) {
        partials.copyResults(count, of: gather.numbers.base, to: $0)
      }
      partials.merge(gather.numbers.base, as: between.plan)
    }
    // The whole batch has rows, so there is exactly one result.
    partials.whole.base.update(
      from: gather.numbers.base + partials.resultRow(0) * width, count: width)
  }

  /// Where the rows of each group go; made once for each shape.
  private func layout(_ plan: MergingPlan, _ shape: Shape) throws -> BlockLayout {
    if let known = layouts[shape] { return known }
    let made = try BlockLayout(counts: plan.itemsOfOwner.map { $0.count * shape.width })
    layouts[shape] = made
    return made
  }
}
