// SPDX-License-Identifier: Apache-2.0
public import Coordination
public import Datasets
public import NeuralCore
public import RunRecords

/// Evaluates a network on rows of a dataset, on all ranks together.
///
/// Rows are taken in batches, each cut into the group's slices; a slice's results are added up over
/// the batches, and the slices in the tree at the end, so the bits don't depend on the ranks.
public final class Evaluator {
  private let network: NeuralNetwork
  private let dataset: Dataset
  private let rows: [Int32]
  private let schedule: BatchSchedule
  private let buffer: BatchBuffer
  private let scales: [TableSchema.Scale]
  /// What outputs are turned into before they are scored.
  private let transform: OutputTransform
  /// Of each slice: the sum of losses, the number of correct rows (of correct elements, if each has a
  /// probability of its own), and for each target that is a number what ``RegressionSums`` adds up.
  private let totals: SliceSums
  private let sumCount: Int
  /// Collects the outputs while all metrics are computed; nil while only sums are.
  private var gatherer: OutputGatherer?

  /// Prepares to evaluate some rows, at least one.
  ///
  /// - Parameter scales: how each target that is a number is standardized.
  public init(
    _ network: NeuralNetwork, _ dataset: Dataset, rows: [Int32],
    scales: [TableSchema.Scale] = [], batchRows: Int = 1024
  ) {
    self.network = network
    self.dataset = dataset
    self.rows = rows
    transform = network.loss.outputTransform
    let scales = transform == .sigmoid ? [] : scales
    self.scales = scales
    sumCount = 2 + scales.count * RegressionSums.count
    totals = SliceSums(count: sumCount)
    // A first batch with a row for every slice has all slices that later batches have.
    let batchRows = Swift.max(batchRows, network.replicas.slices.count)
    schedule = BatchSchedule(rows: rows.count, batchRows: Swift.min(batchRows, rows.count))
    let capacity = network.replicas.slices.rowCapacity(batchRows: schedule.batchRows)
    buffer = BatchBuffer(dataset, capacity: Swift.max(capacity, 1))
  }

  /// Loss and correct predictions over all rows, and metrics that need the outputs of all rows in one
  /// place, which are gathered on rank 0; all ranks.
  ///
  /// - Parameter metrics: those that ``EvaluationTotals/metrics`` will have.
  /// - Returns: the totals on every rank, and on rank 0 the rows with their outputs.
  public func run(
    on group: any ProcessGroup, metrics: [MetricName] = []
  ) throws -> (totals: EvaluationTotals, rows: EvaluatedRows?) {
    let gatherer = OutputGatherer(
      rows: rows.count, columns: network.outputs, partition: network.replicas.slices, group)
    self.gatherer = gatherer
    defer { self.gatherer = nil }
    var totals = try run()
    let evaluated = try gatherer.finish().flatMap {
      EvaluatedRows($0, of: dataset, rows: rows, loss: network.loss, scales: scales)
    }
    guard !metrics.isEmpty else { return (totals, evaluated) }
    // As bits: the values are exactly the same on all ranks.
    let bits = try group.broadcast {
      metrics.map { evaluated?.value(of: $0).map { Int64(bitPattern: $0.bitPattern) } }
    }
    totals.metrics = zip(metrics, bits).map { metric, bits in
      let known = metric.needsOutputs ? nil : totals.value(of: metric)
      return MetricValue(
        metric, known ?? bits.map { Double(bitPattern: UInt64(bitPattern: $0)) })
    }
    return (totals, evaluated)
  }

  /// Loss and correct predictions over all rows, and metrics of which they are enough; all ranks.
  ///
  /// - Parameter metrics: those that ``EvaluationTotals/metrics`` will have.
  public func run(metrics: [MetricName]) throws -> EvaluationTotals {
    var totals = try run()
    totals.metrics = metrics.map { MetricValue($0, totals.value(of: $0)) }
    return totals
  }

  /// Loss and correct predictions over all rows; all ranks.
  public func run() throws -> EvaluationTotals {
    // The first batch is the largest, so its slices have room for those of all others.
    let first = network.slices(of: schedule.batchRows)
    totals.begin(first)
    for item in first.localRows.indices {
      totals.row(item).update(repeating: 0, count: sumCount)
    }
    for step in 0..<schedule.stepsPerEpoch {
      let batch = schedule.range(ofStep: step)
      try add(batch, to: first)
      try gatherer?.endBatch(batch)
    }
    try network.replicas.sumOverBatch(totals)
    let sums = scales.indices.map {
      RegressionSums(totals.whole.base + 2 + $0 * RegressionSums.count)
    }
    return EvaluationTotals(
      rows: rows.count, loss: totals.whole[0] / Double(rows.count),
      accuracy: totals.whole[1].rounded()
        / Double(rows.count * (transform == .sigmoid ? network.outputs : 1)),
      scores: sums.isEmpty ? nil : RegressionScores(sums, rows: rows.count))
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
      let inferred = try network.infer(buffer.inputs.rows(part))
      gatherer?.add(inferred.readOnly)
      let (outputs, targets) = (inferred.readOnly, buffer.targets.rows(part))
      totals.row(place)[0] += try network.loss.compute(outputs, targets)
      // The largest output is that of the largest probability, so softmax is not needed.
      if transform != .softmax { transform.apply(inferred) }
      totals.row(place)[1] += Double(
        transform == .sigmoid
          ? NeuralCore.Targets.correctElements(outputs, targets)
          : NeuralCore.Targets.correctRows(outputs, targets))
      if case .values(let values) = targets { add(outputs, values, to: totals.row(place) + 2) }
    }
  }

  private func add(
    _ outputs: MatrixView, _ targets: MatrixView, to sums: UnsafeMutablePointer<Double>
  ) {
    for row in 0..<outputs.rows {
      for (index, scale) in scales.enumerated() {
        RegressionSums.add(
          output: outputs.row(row)[index], target: targets.row(row)[index], scale,
          to: sums + index * RegressionSums.count)
      }
    }
  }
}

/// The outcome of an evaluation.
public struct EvaluationTotals: Sendable {
  /// The number of rows.
  public let rows: Int
  /// The mean loss per row, as training minimizes it.
  public let loss: Double
  /// The share of rows whose largest output is that of the right class; with binary cross-entropy that
  /// of targets for which the probability is on the right side of 1/2.
  public let accuracy: Double
  /// How near the outputs are to targets that are numbers; nil for classes, and for targets of 0 and 1.
  public let scores: RegressionScores?
  /// Further metrics that were asked for, the same on all ranks.
  public var metrics: [MetricValue] = []

  /// A metric, the same on all ranks; nil where it is undefined, or needs the outputs and was not asked
  /// for.
  public func value(of metric: MetricName) -> Double? {
    if let known = metrics.first(where: { $0.metric == metric }) { return known.value }
    switch metric {
    case .loss: return loss
    case .accuracy: return scores == nil ? accuracy : nil
    case .mse: return scores?.meanSquaredError
    case .rmse: return scores?.rootMeanSquaredError
    case .mae: return scores?.meanAbsoluteError
    case .r2: return scores?.r2
    default: return nil
    }
  }
}

extension MetricName {
  /// Whether it needs the outputs of all rows in one place, rather than sums over the rows.
  public var needsOutputs: Bool { ![.loss, .accuracy, .mse, .rmse, .mae, .r2].contains(self) }
}

/// Sums over rows from which the scores of one target follow, in the target's units.
private struct RegressionSums {
  /// How many there are.
  static let count = 4

  let squaredErrors: Double
  let absoluteErrors: Double
  let targets: Double
  let squaredTargets: Double

  init(_ sums: UnsafePointer<Double>) {
    (squaredErrors, absoluteErrors, targets, squaredTargets) = (sums[0], sums[1], sums[2], sums[3])
  }

  /// Adds a row.
  ///
  /// Targets are counted from the training rows' mean, which keeps the digits of their variance.
  static func add(
    output: Float, target: Float, _ scale: TableSchema.Scale,
    to sums: UnsafeMutablePointer<Double>
  ) {
    let error = (Double(output) - Double(target)) * scale.deviation
    let distance = Double(target) * scale.deviation
    sums[0] += error * error
    sums[1] += abs(error)
    sums[2] += distance
    sums[3] += distance * distance
  }
}

extension RegressionScores {
  /// Scores averaged over targets with equal weights, as scikit-learn does by default.
  fileprivate init(_ sums: [RegressionSums], rows: Int) {
    let (rows, count) = (Double(rows), Double(sums.count))
    let squared = sums.map { $0.squaredErrors / rows }
    let explained = sums.compactMap { sum -> Double? in
      guard rows > 1 else { return nil }
      let spread = sum.squaredTargets - sum.targets * sum.targets / rows
      return spread > 0 ? 1 - sum.squaredErrors / spread : sum.squaredErrors > 0 ? 0 : 1
    }
    self.init(
      meanSquaredError: squared.reduce(0, +) / count,
      rootMeanSquaredError: squared.reduce(0) { $0 + $1.squareRoot() } / count,
      meanAbsoluteError: sums.reduce(0) { $0 + $1.absoluteErrors / rows } / count,
      r2: explained.count == sums.count ? explained.reduce(0, +) / count : nil)
  }
}
