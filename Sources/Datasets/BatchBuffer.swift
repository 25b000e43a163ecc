// SPDX-License-Identifier: Apache-2.0
public import NeuralCore

/// A buffer for one replica's rows of a batch, gathered from a dataset.
public final class BatchBuffer {
  private let dataset: Dataset
  private let features: AlignedBuffer<Float>
  private let classes: AlignedBuffer<Int32>
  private let values: AlignedBuffer<Float>
  private let weights: AlignedBuffer<Float>?
  private let rowWeights: RowWeights?
  private var rows = 0

  /// Allocates memory for at most `capacity` rows of a dataset.
  ///
  /// - Parameter weights: how its rows are weighted; nil for the dataset's own weights, if it has some.
  public init(_ dataset: Dataset, capacity: Int, weights: RowWeights? = nil) {
    self.dataset = dataset
    rowWeights = weights
    self.weights =
      weights != nil || dataset.weights != nil ? AlignedBuffer(count: capacity) : nil
    features = AlignedBuffer(count: capacity * dataset.columns)
    switch dataset.targets {
    case .classes:
      classes = AlignedBuffer(count: capacity)
      values = AlignedBuffer(count: 0)
    case .values(_, let names):
      classes = AlignedBuffer(count: 0)
      values = AlignedBuffer(count: capacity * names.count)
    case .absent:
      classes = AlignedBuffer(count: 0)
      values = AlignedBuffer(count: 0)
    }
  }

  /// Copies rows of the dataset to the buffer, in the given order; they must exist and fit.
  public func gather(_ indices: UnsafeBufferPointer<Int32>) {
    let columns = dataset.columns
    precondition(indices.count * columns <= features.count, "more rows than the buffer holds")
    rows = indices.count
    RowGather.copy(
      rows: indices, of: dataset.features.base, columns: columns, to: features.base)
    switch dataset.targets {
    case .classes(let all, _):
      for (place, row) in indices.enumerated() { classes.base[place] = all.base[Int(row)] }
    case .values(let all, let names):
      for (place, row) in indices.enumerated() {
        (values.base + place * names.count).update(
          from: all.base + Int(row) * names.count, count: names.count)
      }
    case .absent:
      break
    }
    if let weights { gatherWeights(indices, into: weights.base) }
  }

  private func gatherWeights(
    _ indices: UnsafeBufferPointer<Int32>, into target: UnsafeMutablePointer<Float>
  ) {
    if let rowWeights {
      rowWeights.gather(indices, of: dataset, into: target)
    } else if let all = dataset.weights {
      for (place, row) in indices.enumerated() { target[place] = all.base[Int(row)] }
    }
  }

  /// The features of the rows gathered last; valid until the next call, and as long as the buffer.
  public var inputs: MatrixView { features.matrix(rows: rows, columns: dataset.columns) }

  /// The targets of the rows gathered last.
  public var targets: TargetView {
    if case .values(_, let names) = dataset.targets {
      return .values(values.matrix(rows: rows, columns: names.count))
    }
    return .classes(UnsafeBufferPointer(start: classes.base, count: Swift.min(rows, classes.count)))
  }

  /// The rows gathered last as this replica's part of a batch of `globalRows` rows.
  public func batch(globalRows: Int) -> Batch {
    Batch(
      globalRows: globalRows, inputs: inputs, targets: targets,
      weights: weights.map { UnsafeBufferPointer(start: $0.base, count: rows) })
  }
}
