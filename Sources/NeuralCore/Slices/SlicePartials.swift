// SPDX-License-Identifier: Apache-2.0

/// Small partial results of a batch, one row of Float64 numbers a slice, and their merge.
///
/// The rows follow the items of a ``ReductionPlan``. Subclasses say how two rows are merged.
public class SlicePartials {
  /// How many numbers a row has: a multiple of 8, with zeros where nothing is kept.
  public let width: Int
  /// The slices of the batch in hand.
  public private(set) var slices: BatchSlices
  /// The merged row of the whole batch, once the replicas have merged.
  public let whole: AlignedBuffer<Double>
  private var storage: AlignedBuffer<Double>
  private var stack: [Int] = []
  private var stackRows: [Int] = []

  init(width: Int) {
    self.width = width
    slices = BatchSlices(SlicePartition(count: 1, owned: 0..<0), batchRows: 0)
    whole = AlignedBuffer(count: width)
    storage = AlignedBuffer(count: 0)
  }

  /// Makes room for the slices of a batch; rows keep whatever they held.
  public func begin(_ slices: BatchSlices) {
    self.slices = slices
    let needed = slices.plan.items.count * width
    if storage.count < needed {
      storage = AlignedBuffer(count: needed)
    }
    stack.reserveCapacity(slices.plan.depth)
    stackRows.reserveCapacity(slices.plan.depth)
  }

  /// The numbers of the plan's item `index`.
  public func row(_ index: Int) -> UnsafeMutablePointer<Double> {
    precondition(index >= 0 && (index + 1) * width <= storage.count, "row outside the partials")
    return storage.base + index * width
  }

  /// Merges rows of any memory as `plan` says, in place.
  ///
  /// Row i starts at `base + i * width` and stands for `plan.rows[i]` rows of the batch.
  ///
  /// - Returns: how many nodes are left; ``node(_:)`` tells which row holds each.
  @discardableResult
  public func merge(_ base: UnsafeMutablePointer<Double>, as plan: ReductionPlan) -> Int {
    stack.removeAll(keepingCapacity: true)
    stackRows.removeAll(keepingCapacity: true)
    for item in plan.items.indices {
      stack.append(item)
      stackRows.append(plan.rows[item])
      for _ in 0..<plan.mergesAfter[item] {
        let right = stack.removeLast()
        let rightRows = stackRows.removeLast()
        let left = stack.count - 1
        merge(
          base + stack[left] * width, rows: stackRows[left], with: base + right * width,
          rows: rightRows)
        stackRows[left] += rightRows
      }
    }
    return stack.count
  }

  /// The row that holds node `index` after the last merge.
  public func node(_ index: Int) -> Int { stack[index] }

  /// Merges this replica's own slices, in place, and returns how many nodes are left.
  @discardableResult
  public func mergeOwn() -> Int {
    merge(storage.base, as: slices.plan)
  }

  /// Merges this replica's own slices alone into ``whole``: of its rows, not of the batch.
  func mergeOwnAlone() {
    guard mergeOwn() > 0 else { return }
    let first = row(node(0))
    var rows = slices.plan.nodeRows[0]
    for index in 1..<slices.plan.nodes {
      let nodeRows = slices.plan.nodeRows[index]
      merge(first, rows: rows, with: row(node(index)), rows: nodeRows)
      rows += nodeRows
    }
    whole.base.update(from: first, count: width)
  }

  /// Begins with the slices and rows of other partials.
  func begin(copying other: SlicePartials) {
    begin(other.slices)
    storage.base.update(from: other.storage.base, count: slices.plan.items.count * width)
  }

  /// Replaces the left row by the merge of both.
  func merge(
    _ left: UnsafeMutablePointer<Double>, rows leftRows: Int,
    with right: UnsafePointer<Double>, rows rightRows: Int
  ) {
    DoubleVectors.forEach(width) { i in
      DoubleVectors.store(
        DoubleVectors.load(left + i) + DoubleVectors.load(right + i), to: left + i)
    }
  }
}

/// Sums over the batch: a row holds plain sums over a slice, and merging adds.
public final class SliceSums: SlicePartials {
  /// Sums of `count` quantities.
  public init(count: Int) {
    super.init(width: (count + 7) / 8 * 8)
  }

  /// Whether all sums over the whole batch are finite.
  var isFinite: Bool { whole.elements.allSatisfy(\.isFinite) }
}

/// Mean and variance over the batch, feature by feature.
///
/// A row holds the means of all features over a slice, then their M2, the sums of squared
/// deviations from the mean, each padded with zeros to a multiple of 16. Rows are merged by Chan's rule, which never subtracts large squares:
/// Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
/// Variances", COMPSTAT 1982.
public final class SliceStatistics: SlicePartials {
  /// How many features there are.
  public let features: Int
  private let stride: Int

  /// Moments of `features` features.
  public init(features: Int) {
    self.features = features
    stride = Vectors.padded(features)
    super.init(width: 2 * stride)
  }

  /// The means over the whole batch, once merged.
  public var mean: UnsafePointer<Double> { UnsafePointer(whole.base) }
  /// The sums of squared deviations over the whole batch, once merged.
  public var sumOfSquares: UnsafePointer<Double> { UnsafePointer(whole.base + stride) }

  override func merge(
    _ left: UnsafeMutablePointer<Double>, rows leftRows: Int,
    with right: UnsafePointer<Double>, rows rightRows: Int
  ) {
    let rightShare = Double(rightRows) / Double(leftRows + rightRows)
    let weight = Double(leftRows) * rightShare
    let leftM2 = left + stride
    let rightM2 = right + stride
    DoubleVectors.forEach(stride) { j in
      let mean = DoubleVectors.load(left + j)
      let delta = DoubleVectors.load(right + j) - mean
      DoubleVectors.store(mean + delta * rightShare, to: left + j)
      let squares = DoubleVectors.load(rightM2 + j) + delta * delta * weight
      DoubleVectors.store(DoubleVectors.load(leftM2 + j) + squares, to: leftM2 + j)
    }
  }
}
