// SPDX-License-Identifier: Apache-2.0
public import Datasets
public import NeuralCore
public import RunRecords

/// Rows with their targets and a network's outputs: what all metrics of an evaluation are computed from.
///
/// One process computes them from the outputs of all rows, so they are exact, and don't depend on how
/// many ranks computed the outputs.
public struct EvaluatedRows {
  /// The rows by what their targets are; what outputs mean for the metrics is decided here alone.
  private enum Content {
    case classes(ClassifiedRows, labels: [String])
    case numbers(PredictedNumbers, names: [String])
    case multilabel(MultilabelRows, names: [String])
  }

  private let content: Content
  private let outputs: GatheredOutputs
  private let targets: Dataset.Targets
  private let rows: [Int32]
  private let loss: any LossFunction

  /// The largest number of groups.
  public static let mostGroups = RowGroups.most
  /// The largest number of classes for which ROC curves are kept.
  private static let mostCurves = 100
  /// The largest number of points of a ROC curve that are kept.
  private static let curvePoints = 200

  /// Rows of a dataset with their outputs; nil if the dataset has no targets.
  ///
  /// - Parameters:
  ///   - rows: the rows that the outputs are those of, in the same order; at least one.
  ///   - loss: the loss function of the network, which says what its outputs stand for.
  ///   - scales: how each target that is a number is standardized.
  public init?(
    _ outputs: GatheredOutputs, of dataset: Dataset, rows: [Int32], loss: any LossFunction,
    scales: [TableSchema.Scale]
  ) {
    self.outputs = outputs
    self.rows = rows
    self.loss = loss
    targets = dataset.targets
    let transform = loss.outputTransform
    let matrix = outputs.values.matrix(rows: outputs.rows, columns: outputs.columns)
    switch dataset.targets {
    case .classes(let classes, let labels):
      content = .classes(
        ClassifiedRows(
          outputs: matrix, targets: rows.map { classes[Int($0)] },
          isSoftmax: transform == .softmax),
        labels: labels)
    case .values(let values, let names) where transform == .sigmoid:
      let targets = rows.flatMap { row in
        names.indices.map { values[Int(row) * names.count + $0] >= 0.5 }
      }
      content = .multilabel(MultilabelRows(outputs: matrix, targets: targets), names: names)
    case .values(let values, let names):
      let scales =
        scales.count == names.count ? scales : names.map { TableSchema.Scale(unscaled: $0) }
      let columns = names.count
      func numbers(_ value: (_ row: Int, _ column: Int) -> Float) -> [Double] {
        var numbers: [Double] = []
        numbers.reserveCapacity(rows.count * columns)
        for row in rows.indices {
          for column in 0..<columns { numbers.append(scales[column].number(value(row, column))) }
        }
        return numbers
      }
      let predicted = AlignedBuffer(outputs.values.elements)
      transform.apply(predicted.mutableMatrix(rows: outputs.rows, columns: columns))
      content = .numbers(
        PredictedNumbers(
          columns: columns,
          targets: numbers { values[Int(rows[$0]) * columns + $1] },
          predictions: numbers { predicted[$0 * columns + $1] }), names: names)
    case .absent: return nil
    }
    withExtendedLifetime(outputs.values) {}
  }

  /// A metric; nil where it is undefined.
  public func value(of metric: MetricName) -> Double? {
    switch content {
    case .classes(let rows, _): rows.value(of: metric)
    case .numbers(let rows, _): rows.value(of: metric)
    case .multilabel(let rows, _): rows.value(of: metric)
    }
  }

  /// All metrics.
  ///
  /// - Parameters:
  ///   - groups: the groups that the rows are in, for the metrics of each.
  ///   - keepsCurves: whether ROC curves are part of the record.
  public func record(
    _ totals: EvaluationTotals, groups: RowGroups? = nil, keepsCurves: Bool = false
  ) throws -> EvaluationRecord {
    var record = EvaluationRecord(rows: rows.count, loss: totals.loss)
    switch content {
    case .classes(let rows, let labels):
      record.classification = ClassificationMetrics(rows, labels: labels)
      if keepsCurves {
        record.curves =
          labels.count == 2
          ? Self.curves([labels[1]]) { _ in rows.ranked(by: 1)?.rocCurve }
          : Self.curves(labels) { rows.ranked(by: $0)?.rocCurve }
      }
    case .numbers(let rows, let names):
      record.regression = RegressionMetrics(rows, names: names)
    case .multilabel(let rows, let names):
      record.multilabel = MultilabelMetrics(rows, names: names)
      if keepsCurves {
        record.curves = Self.curves(names) { rows.targets[$0].ranked(by: 1)?.rocCurve }
      }
    }
    if let groups {
      record.by = groups.column
      record.groups = try zip(groups.names, groups.members(of: rows)).compactMap {
        $1.isEmpty ? nil : try group($0, $1)
      }
    }
    return record
  }

  private static func curves(
    _ labels: [String], _ curve: (Int) -> ROCCurve?
  ) -> [EvaluationRecord.Curve] {
    guard labels.count <= mostCurves else { return [] }
    return labels.enumerated().compactMap { index, label in
      curve(index).map {
        EvaluationRecord.Curve(label: label, points: $0.thinned(to: curvePoints))
      }
    }
  }
}

// MARK: - Groups

extension EvaluatedRows {
  private func group(_ name: String, _ members: [Int]) throws -> EvaluationRecord.Group {
    var values = [MetricValue(.loss, try meanLoss(members))]
    switch content {
    case .classes(let rows, _):
      let rows = rows.selecting(members)
      values += [MetricName.accuracy, .f1, .auc].map { MetricValue($0, rows.value(of: $0)) }
    case .numbers(let rows, let names):
      let metrics = RegressionMetrics(rows.selecting(members), names: names)
      values += [
        MetricValue(.rmse, metrics.rmse), MetricValue(.mae, metrics.mae),
        MetricValue(.r2, metrics.r2),
      ]
    case .multilabel(let rows, _):
      let rows = rows.selecting(members)
      values += [MetricName.accuracy, .f1, .auc].map { MetricValue($0, rows.value(of: $0)) }
    }
    return EvaluationRecord.Group(name: name, rows: members.count, values: values)
  }

  /// The mean loss of some rows, as training minimizes it.
  private func meanLoss(_ members: [Int]) throws -> Double {
    let columns = outputs.columns
    let chosen = AlignedBuffer<Float>(count: members.count * columns)
    for (place, row) in members.enumerated() {
      (chosen.base + place * columns).update(
        from: outputs.values.base + row * columns, count: columns)
    }
    let matrix = chosen.matrix(rows: members.count, columns: columns)
    let rows = members.map { Int(self.rows[$0]) }
    let sum: Double
    switch targets {
    case .classes(let classes, _):
      let own = AlignedBuffer(rows.map { classes[$0] })
      sum = try loss.compute(matrix, .classes(own.elements))
      withExtendedLifetime(own) {}
    case .values(let values, _):
      let own = AlignedBuffer<Float>(count: members.count * columns)
      for (place, row) in rows.enumerated() {
        (own.base + place * columns).update(from: values.base + row * columns, count: columns)
      }
      sum = try loss.compute(
        matrix, .values(own.matrix(rows: members.count, columns: columns)))
      withExtendedLifetime(own) {}
    case .absent: sum = .nan
    }
    withExtendedLifetime(chosen) {}
    return sum / Double(members.count)
  }
}

extension TableSchema.Scale {
  /// The number that a standardized one stands for, where it can't be told from 0: 0.
  ///
  /// Standardizing rounds to Float32, so a target of 0 comes back as up to 2^-24 times the mean.
  fileprivate func number(_ standardized: Float) -> Double {
    let number = value(standardized)
    return abs(number) <= abs(mean) * Double(Float.ulpOfOne) ? 0 : number
  }
}
