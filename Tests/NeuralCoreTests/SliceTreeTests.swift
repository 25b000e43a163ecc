// SPDX-License-Identifier: Apache-2.0
import NeuralCore
import Testing

@Suite("The slice tree")
struct SliceTreeTests {
  /// The tree by its definition, as a bracketed expression over the slices that hold rows.
  static func expression(_ lower: Int, _ size: Int, _ v: Int, _ rows: Int) -> String? {
    guard lower < v else { return nil }
    if size == 1 {
      return SlicePartition(count: v).rows(of: lower, batchRows: rows).isEmpty ? nil : "\(lower)"
    }
    let left = expression(lower, size / 2, v, rows)
    let right = expression(lower + size / 2, size / 2, v, rows)
    guard let left, let right else { return left ?? right }
    return "(\(left)+\(right))"
  }

  static func expression(_ v: Int, _ rows: Int) -> String? {
    var size = 1
    while size < v { size *= 2 }
    return expression(0, size, v, rows)
  }

  /// Runs a plan on expressions.
  static func run(_ plan: ReductionPlan, _ items: [String]) -> [String] {
    var stack: [String] = []
    plan.run(
      push: { item, position in
        #expect(position == stack.count)
        stack.append(items[item])
        #expect(stack.count <= plan.depth)
      },
      merge: { step in
        let right = stack.removeLast()
        #expect(step.position == stack.count - 1)
        stack[step.position] = "(\(stack[step.position])+\(right))"
      })
    return stack
  }

  @Test("The slice tree is the same on any number of ranks, for every batch size and slice count")
  func sameTree() {
    for v in 1...17 {
      for rows in 1...(2 * v + 1) {
        for ranks in 1...v {
          let parts = (0..<ranks).map { SlicePartition(count: v, rank: $0, of: ranks) }
          let results = parts.map { part in
            let plan = SliceTree(part, batchRows: rows).planOfOwnSlices()
            return Self.run(plan, plan.items.map { "\($0.lowerBound)" })
          }
          let finishing = SliceTree(parts[0], batchRows: rows).mergingPlan(
            owners: parts.map(\.owned))
          #expect(finishing.itemsOfOwner.map(\.count) == results.map(\.count))
          #expect(
            Self.run(finishing.plan, results.flatMap { $0 })
              == [Self.expression(v, rows)].compactMap { $0 })
          #expect(finishing.plan.resultRows == [rows])
        }
      }
    }
  }

  @Test("A rank has the most partial results when every slice has rows")
  func mostResults() {
    for v in 1...17 {
      for ranks in 1...v {
        for rank in 0..<ranks {
          let part = SlicePartition(count: v, rank: rank, of: ranks)
          let full = SliceTree(part, batchRows: v).planOfOwnSlices()
          for rows in 0...(2 * v) {
            let plan = SliceTree(part, batchRows: rows).planOfOwnSlices()
            #expect(plan.resultCount <= full.resultCount && plan.depth <= full.depth)
          }
        }
      }
    }
  }

  @Test("A batch is split into contiguous slices whose sizes differ by at most one")
  func slices() {
    for v in 1...9 {
      for rows in 0...40 {
        let partition = SlicePartition(count: v)
        let sizes = (0..<v).map { partition.rows(of: $0, batchRows: rows).count }
        #expect(sizes.reduce(0, +) == rows)
        #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1)
      }
    }
  }

  @Test("Each merge has the rows of both sides, and is a result exactly if nothing merges it again")
  func merges() {
    for v in 1...17 {
      for owned in [0..<v, 0..<v / 2, v / 3..<v] {
        let plan = SliceTree(SlicePartition(count: v, owned: owned), batchRows: 3 * v + 1)
          .planOfOwnSlices()
        var rows = Array(repeating: 0, count: plan.depth)
        var isMerged = Array(repeating: false, count: plan.depth)
        var isResult = isMerged
        plan.run(
          push: { item, position in
            (rows[position], isMerged[position], isResult[position]) = (
              plan.rows[item], false, false
            )
          },
          merge: { step in
            #expect(
              rows[step.position] == step.leftRows && rows[step.position + 1] == step.rightRows)
            #expect(!isResult[step.position] && !isResult[step.position + 1])
            rows[step.position] += rows[step.position + 1]
            (isMerged[step.position], isResult[step.position]) = (true, step.isResult)
          })
        #expect(Array(rows.prefix(plan.resultCount)) == plan.resultRows)
        #expect(isResult.prefix(plan.resultCount) == isMerged.prefix(plan.resultCount))
      }
    }
  }
}
