// SPDX-License-Identifier: Apache-2.0
public import Datasets
public import NeuralCore

/// Evaluates a network on rows of a dataset, on all ranks together.
///
/// Rows are taken in batches, each cut into the group's slices; a slice's results are added up over
/// the batches, and the slices in the tree at the end, so the bits don't depend on the ranks.
public final class Evaluator {
  private let network: NeuralNetwork
  private let rows: [Int32]
  private let schedule: BatchSchedule
  private let buffer: BatchBuffer
  private let totals = SliceSums(count: 2)

  /// Prepares to evaluate some rows, at least one.
  public init(_ network: NeuralNetwork, _ dataset: Dataset, rows: [Int32], batchRows: Int = 1024) {
    self.network = network
    self.rows = rows
    // A first batch with a row for every slice has all slices that later batches have.
    let batchRows = Swift.max(batchRows, network.replicas.slices.count)
    schedule = BatchSchedule(rows: rows.count, batchRows: Swift.min(batchRows, rows.count))
    let capacity = network.replicas.slices.rowCapacity(batchRows: schedule.batchRows)
    buffer = BatchBuffer(dataset, capacity: Swift.max(capacity, 1))
  }

  /// Loss and correct predictions over all rows; all ranks.
  public func run() throws -> BatchTotals {
    // The first batch is the largest, so its slices have room for those of all others.
    let first = network.slices(of: schedule.batchRows)
    totals.begin(first)
    for item in first.localRows.indices { totals.row(item).update(repeating: 0, count: 2) }
    for step in 0..<schedule.stepsPerEpoch {
      try add(schedule.range(ofStep: step), to: first)
    }
    try network.replicas.sumOverBatch(totals)
    return BatchTotals(
      rows: rows.count, lossSum: totals.whole[0], correctRows: Int(totals.whole[1].rounded()))
  }

  private func add(_ batch: Range<Int>, to first: BatchSlices) throws {
    let slices = network.slices(of: batch.count)
    let owned = slices.partition.ownedRows(batchRows: batch.count)
    rows.withUnsafeBufferPointer { rows in
      let start = batch.lowerBound + owned.lowerBound
      buffer.gather(UnsafeBufferPointer(rebasing: rows[start..<start + owned.count]))
    }
    for (item, part) in zip(slices.plan.items, slices.localRows) {
      // In a short batch some slices may be empty; each slice still has a row of its own.
      guard let place = first.plan.items.firstIndex(of: item) else { continue }
      let outputs = try network.infer(buffer.inputs.rows(part)).readOnly
      let targets = buffer.targets.rows(part)
      totals.row(place)[0] += try network.loss.compute(outputs, targets)
      totals.row(place)[1] += Double(NeuralCore.Targets.correctRows(outputs, targets))
    }
  }
}

/// Computes a model's outputs for the rows of a dataset; this rank.
public struct Predictor {
  private let model: LoadedModel

  /// Predicts with a model.
  public init(_ model: LoadedModel) {
    self.model = model
  }

  /// Calls `body` with the outputs of one block of rows after another: probabilities if there are
  /// classes.
  ///
  /// - Throws: `NeuralCoreError` when the data have another number of columns than the model.
  public func run(
    _ dataset: Dataset, _ body: (_ firstRow: Int, _ outputs: MatrixView) throws -> Void
  ) throws {
    let rows = dataset.features.matrix(rows: dataset.rows, columns: dataset.columns)
    var first = 0
    while first < dataset.rows {
      let end = Swift.min(first + 1024, dataset.rows)
      let outputs = try model.network.infer(rows.rows(first..<end))
      if model.description.loss == .crossEntropy { Softmax.probabilities(outputs) }
      try body(first, outputs.readOnly)
      first = end
    }
    withExtendedLifetime(dataset) {}
  }
}
