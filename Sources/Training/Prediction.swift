// SPDX-License-Identifier: Apache-2.0
public import Datasets
public import NeuralCore

/// Computes a model's outputs for rows of data, a block at a time; this rank.
///
/// The rows of a table are never all in memory.
public final class Predictor {
  /// What a person should know about how the data were read; complete at the end.
  public var notices: [String] {
    switch rows {
    case .table(let table): table.notices
    case .dataset: []
    }
  }
  /// The names of the columns that are passed through.
  public var passedNames: [String] {
    switch rows {
    case .table(let table): table.passedNames
    case .dataset: []
    }
  }

  private enum Rows {
    case table(NewTable)
    case dataset(Dataset)
  }

  /// The rows of a block.
  private static let blockRows = 1024

  private let model: LoadedModel
  private let rows: Rows

  /// Opens data to predict: of a folder or archive the test part, if it has one.
  ///
  /// - Parameters:
  ///   - data: a DATA argument, or `-` for a table on standard input.
  ///   - options: how a table's text is to be read.
  ///   - passing: columns of a table that are passed through, by name or number.
  /// - Throws: `DatasetError`; ``TrainingError/unsuitableData(_:)`` if the data don't suit the model.
  public init(
    _ model: LoadedModel, _ data: String, _ options: TableOptions, passing: [String]
  ) throws {
    self.model = model
    let inputs = model.network.inputs
    let source = try DataSource.parse(data)
    if case .table(let path) = source {
      rows = .table(
        try NewTable(
          path, model.description.readingSchema, inputs: inputs, options, readsTargets: false,
          passing: passing))
      return
    }
    guard passing.isEmpty else {
      throw TrainingError.usage("--columns: only tables have columns to pass through")
    }
    var options = LoadOptions(targets: .absent)
    options.schema = model.description.readingSchema
    let loaded = try Dataset.load(source, options)
    let dataset = loaded.heldOut ?? loaded.training
    guard dataset.columns == inputs else {
      throw TrainingError.unsuitableData(
        "\(data): \(dataset.columns) features, but the model has \(inputs)")
    }
    rows = .dataset(dataset)
  }

  /// Calls `body` with the outputs of one block of rows after another, probabilities if there are
  /// classes, and with the texts of each row that are passed through.
  public func run(_ body: (_ outputs: MatrixView, _ passed: [[String]]) throws -> Void) throws {
    switch rows {
    case .dataset(let dataset): try run(dataset) { try body($0, []) }
    case .table(let table): try run(table, body)
    }
  }

  private func run(_ dataset: Dataset, _ body: (MatrixView) throws -> Void) throws {
    let rows = dataset.features.matrix(rows: dataset.rows, columns: dataset.columns)
    for first in stride(from: 0, to: dataset.rows, by: Self.blockRows) {
      let end = Swift.min(first + Self.blockRows, dataset.rows)
      try body(try outputs(rows.rows(first..<end)))
    }
    withExtendedLifetime(dataset) {}
  }

  private func run(_ table: NewTable, _ body: (MatrixView, [[String]]) throws -> Void) throws {
    let buffer = AlignedBuffer<Float>(count: Self.blockRows * table.inputs)
    var (count, isAtEnd) = (0, false)
    while !isAtEnd {
      var passed: [[String]] = []
      count = 0
      while count < Self.blockRows {
        guard try table.next(into: buffer.base + count * table.inputs) else {
          isAtEnd = true
          break
        }
        passed.append(table.passed)
        count += 1
      }
      if count > 0 {
        try body(try outputs(buffer.matrix(rows: count, columns: table.inputs)), passed)
      }
    }
    withExtendedLifetime(buffer) {}
  }

  private func outputs(_ rows: MatrixView) throws -> MatrixView {
    let outputs = try model.network.infer(rows)
    if model.description.loss == .crossEntropy { Softmax.probabilities(outputs) }
    return outputs.readOnly
  }
}
