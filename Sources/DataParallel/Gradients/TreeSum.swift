// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// Adds long rows of numbers up in the order of a plan, a piece at a time.
final class TreeSum {
  private static let piece = 2048
  private var scratch = AlignedBuffer<Float>(count: 0)
  private var stack: [UnsafePointer<Float>] = []

  /// results = the nodes that `plan` leaves of `items`, element by element.
  ///
  /// A sole result may be one of the items: a piece is read before it is written.
  func add(
    _ items: [UnsafePointer<Float>], as plan: ReductionPlan, count: Int,
    into results: [UnsafeMutablePointer<Float>]
  ) {
    if scratch.count < plan.depth * Self.piece {
      scratch = AlignedBuffer(count: plan.depth * Self.piece)
    }
    stack.reserveCapacity(plan.depth)
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
    stack.removeAll(keepingCapacity: true)
    for item in items.indices {
      stack.append(items[item] + first)
      for merge in 0..<plan.mergesAfter[item] {
        let right = stack.removeLast()
        let place = stack.count - 1
        let left = stack[place]
        let isLast = item == items.count - 1 && merge == plan.mergesAfter[item] - 1
        let sum =
          isLast && place < results.count
          ? results[place] + first : scratch.base + place * Self.piece
        Reductions.add(left, right, into: sum, length)
        stack[place] = UnsafePointer(sum)
      }
    }
    for (node, result) in zip(stack, results) where node != UnsafePointer(result + first) {
      (result + first).update(from: node, count: length)
    }
  }
}
