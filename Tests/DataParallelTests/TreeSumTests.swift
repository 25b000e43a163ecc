// SPDX-License-Identifier: Apache-2.0
import DataParallel
import NeuralCore
import Testing

@Suite("Sums of gradients in the order of a plan")
struct TreeSumTests {
  /// Values whose sums round, so that another order gives other bits.
  private func values(_ item: Int, _ count: Int) -> AlignedBuffer<Float> {
    let buffer = AlignedBuffer<Float>(count: count)
    for i in 0..<count { buffer.base[i] = 1 / Float(3 + 7 * item + 11 * i) }
    return buffer
  }

  /// What the plan leaves of one element, by a stack of numbers.
  private func expected(_ plan: ReductionPlan, _ items: [AlignedBuffer<Float>], _ i: Int) -> [Float]
  {
    var stack: [Float] = []
    plan.run(
      push: { item, position in
        #expect(position == stack.count)
        stack.append(items[item][i])
      },
      merge: { step in
        let right = stack.removeLast()
        stack[step.position] += right
      })
    return stack
  }

  @Test(
    "Every result has the bits of the tree, whatever the length and the number of results",
    arguments: [1, 15, 16, 17, 2047, 2048, 2049, 5000])
  func bits(count: Int) {
    let sum = TreeSum()
    for (slices, owned) in [(1, 0..<1), (8, 0..<8), (7, 0..<7), (8, 1..<8), (16, 3..<14)] {
      let partition = SlicePartition(count: slices, owned: owned)
      let plan = SliceTree(partition, batchRows: 2 * slices).planOfOwnSlices()
      let items = plan.items.indices.map { values($0, count) }
      let results = (0..<plan.resultCount).map { _ in AlignedBuffer<Float>(count: count) }
      sum.add(
        items.map { UnsafePointer($0.base) }, as: plan, count: count, into: results.map(\.base))
      for i in 0..<count {
        #expect(results.map { $0[i] } == expected(plan, items, i), "element \(i)")
      }
    }
  }

  @Test("A single result may replace one of the items")
  func inPlace() {
    let count = 3000
    let plan = SliceTree(SlicePartition(count: 5), batchRows: 5).planOfOwnSlices()
    let items = plan.items.indices.map { values($0, count) }
    let sums = (0..<count).map { expected(plan, items, $0)[0] }
    TreeSum().add(
      items.map { UnsafePointer($0.base) }, as: plan, count: count, into: [items[0].base])
    #expect((0..<count).allSatisfy { items[0][$0] == sums[$0] })
  }
}
