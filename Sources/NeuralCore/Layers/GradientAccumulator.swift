// SPDX-License-Identifier: Apache-2.0

/// Adds the gradients of a replica's slices up in the order of the slice tree.
///
/// Runs a ``ReductionPlan`` with memory as its stack. Place i from the bottom ends as node i, so the
/// places below the number of nodes are the gradient buffers themselves; the rest is scratch. Where
/// gradients are written past the caches, all places are scratch, and the nodes are copied at the end.
final class GradientAccumulator {
  private var scratch = AlignedBuffer<Float>(count: 0)

  func accumulate(
    _ span: Range<Int>, of slices: BatchSlices, in store: ParameterStore,
    _ compute: (Int, Range<Int>, UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    let plan = slices.plan
    let nodes = plan.resultCount
    precondition(nodes <= store.gradients.count, "fewer gradient buffers than nodes")
    let inPlace = store.unstreamedGradients == nil ? nodes : 0
    let scratchNeeded = (plan.depth - inPlace) * span.count
    if scratch.count < scratchNeeded { scratch = AlignedBuffer(count: scratchNeeded) }
    func place(_ index: Int) -> UnsafeMutablePointer<Float> {
      index < inPlace
        ? store.gradients[index].base + span.lowerBound
        : scratch.base + (index - inPlace) * span.count
    }
    try plan.run(
      push: { item, index in try compute(item, slices.localRows[item], place(index)) },
      merge: { step in
        Reductions.add(place(step.position + 1), to: place(step.position), span.count)
      })
    for node in inPlace..<nodes {
      store.write(place(node), asGradientsOf: span, node: node)
    }
  }
}
