// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// Brings small partial results of all ranks together and finishes their tree on every rank.
final class PartialsExchange {
  private let communicator: Communicator
  private let plans: MergingPlans
  private var gathered = AlignedBuffer<Double>(count: 0)
  private var layouts: [Shape: BlockLayout] = [:]

  private struct Shape: Hashable {
    let batchRows: Int
    let width: Int
  }

  init(_ communicator: Communicator, _ plans: MergingPlans) {
    self.communicator = communicator
    self.plans = plans
  }

  /// Merges the slices of all ranks into `partials.whole`; all ranks.
  func merge(_ partials: SlicePartials) throws {
    let finishing = plans.plan(batchRows: partials.slices.batchRows)
    let width = partials.width
    let needed = finishing.plan.items.count * width
    if gathered.count < needed { gathered = AlignedBuffer(count: needed) }
    let own = finishing.itemsOfOwner[communicator.rank]
    for (place, row) in zip(own, partials.mergeOwn()) {
      (gathered.base + place * width).update(from: partials.row(row), count: width)
    }
    try communicator.allGather(
      inPlace: UnsafeMutableBufferPointer(start: gathered.base, count: needed),
      layout: layout(finishing, Shape(batchRows: partials.slices.batchRows, width: width)))
    if let root = partials.merge(gathered.base, as: finishing.plan).first {
      partials.whole.base.update(from: gathered.base + root * width, count: width)
    }
  }

  /// Where the rows of each rank lie; made once for each shape.
  private func layout(_ finishing: MergingPlan, _ shape: Shape) throws -> BlockLayout {
    if let known = layouts[shape] { return known }
    let made = try BlockLayout(counts: finishing.itemsOfOwner.map { $0.count * shape.width })
    layouts[shape] = made
    return made
  }
}
