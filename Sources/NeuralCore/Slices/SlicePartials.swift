// SPDX-License-Identifier: Apache-2.0

/// Small partial results of a batch, one row of Float64 numbers per slice, and their merge.
///
/// The rows follow the items of a ``ReductionPlan``. Subclasses define how two rows are merged.
public class SlicePartials {
  /// The numbers per row: a multiple of 8, padded with zeros.
  public let width: Int
  /// The slices of the current batch.
  public private(set) var slices: BatchSlices
  /// The merged row of the whole batch, once the replicas have merged.
  public let whole: AlignedBuffer<Double>
  private var storage: AlignedBuffer<Double>
  /// The row at each position of a running plan's stack.
  private var rowAtPosition: [Int] = []

  init(width: Int) {
    self.width = width
    slices = BatchSlices(SlicePartition(count: 1, owned: 0..<0), batchRows: 0)
    whole = AlignedBuffer(count: width)
    storage = AlignedBuffer(count: 0)
  }

  /// Makes room for the slices of a batch; rows keep their previous values.
  public func begin(_ slices: BatchSlices) {
    self.slices = slices
    let needed = slices.plan.items.count * width
    if storage.count < needed {
      storage = AlignedBuffer(count: needed)
    }
  }

  /// Begins with the slices and rows of other partials.
  func begin(copying other: SlicePartials) {
    begin(other.slices)
    storage.base.update(from: other.storage.base, count: slices.plan.items.count * width)
  }

  /// The numbers of the plan's item `index`.
  public func row(_ index: Int) -> UnsafeMutablePointer<Double> {
    precondition(index >= 0 && (index + 1) * width <= storage.count, "row outside the partials")
    return storage.base + index * width
  }

  /// Merges this replica's own slices, and copies the results to `target`, one row after another.
  package func mergeOwn(into target: UnsafeMutablePointer<Double>) {
    let count = merge(storage.base, as: slices.plan)
    copyResults(count, of: storage.base, to: target)
  }

  /// Merges this replica's own slices into ``whole``: over its rows, not those of other replicas.
  package func mergeOwnIntoWhole() {
    guard merge(storage.base, as: slices.plan) > 0 else { return }
    let first = row(resultRow(0))
    var rows = slices.plan.resultRows[0]
    for index in 1..<slices.plan.resultCount {
      let resultRows = slices.plan.resultRows[index]
      merge(first, rows: rows, with: row(resultRow(index)), rows: resultRows)
      rows += resultRows
    }
    whole.base.update(from: first, count: width)
  }

  /// Merges rows in any memory as `plan` defines, in place.
  ///
  /// Row i starts at `base + i * width` and stands for `plan.rows[i]` rows of the batch.
  ///
  /// - Returns: the number of results; ``resultRow(_:)`` is the row that holds each.
  @discardableResult
  package func merge(_ base: UnsafeMutablePointer<Double>, as plan: ReductionPlan) -> Int {
    if rowAtPosition.count < plan.depth { rowAtPosition = Array(repeating: 0, count: plan.depth) }
    plan.run(
      push: { item, position in rowAtPosition[position] = item },
      merge: { step in
        merge(
          base + rowAtPosition[step.position] * width, rows: step.leftRows,
          with: base + rowAtPosition[step.position + 1] * width, rows: step.rightRows)
      })
    return plan.resultCount
  }

  /// The row that holds result `index` of the last merge.
  package func resultRow(_ index: Int) -> Int { rowAtPosition[index] }

  /// Copies the results of the last merge, whose rows begin at `base`, one after another to `target`.
  ///
  /// From the last one on, so that the rows may move up within the same memory.
  package func copyResults(
    _ count: Int, of base: UnsafePointer<Double>, to target: UnsafeMutablePointer<Double>
  ) {
    for index in (0..<count).reversed() {
      (target + index * width).update(from: base + resultRow(index) * width, count: width)
    }
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

/// Batch statistics, mean and variance, feature by feature.
///
/// A row holds the means of all features over a slice, then their M2, the sums of squared deviations
/// from the mean, each padded with zeros to a multiple of 16. Rows are merged by Chan's rule, which
/// never subtracts large squares: Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm
/// for Computing Sample Variances", COMPSTAT 1982.
public final class SliceStatistics: SlicePartials {
  /// The number of features.
  public let features: Int
  private let stride: Int

  /// Statistics of `features` features.
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
