// SPDX-License-Identifier: Apache-2.0
public import Datasets
public import NeuralCore

/// Computes a model's outputs for rows of data, a block at a time; this rank.
///
/// The rows of a table, and of a NumPy array in C order, are never all in memory.
public final class Predictor {
  /// What a person should know about how the data were read; complete at the end.
  public var notices: [String] {
    switch rows {
    case .table(let table): table.notices
    case .array, .dataset: []
    }
  }
  /// The names of the columns that are passed through.
  public var passedNames: [String] {
    switch rows {
    case .table(let table): table.passedNames
    case .array, .dataset: []
    }
  }

  private enum Rows {
    case table(NewTable)
    case array(NPYRows)
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
    if case .npy(let path, _) = source, let array = try NPYRows(path) {
      try Self.require(array.columns, model, data)
      rows = .array(array)
      return
    }
    var options = LoadOptions(targets: .absent)
    options.schema = model.description.readingSchema
    let loaded = try Dataset.load(source, options)
    let dataset = loaded.heldOut ?? loaded.training
    try Self.require(dataset.columns, model, data)
    rows = .dataset(dataset)
  }

  private static func require(_ columns: Int, _ model: LoadedModel, _ data: String) throws {
    guard columns == model.network.inputs else {
      throw TrainingError.unsuitableData(
        "\(data): \(columns) features, but the model has \(model.network.inputs)")
    }
  }

  /// Calls `body` with the outputs of one block of rows after another, as what they stand for
  /// (`OutputTransform`), and with the texts of each row that are passed through.
  public func run(_ body: (_ outputs: MatrixView, _ passed: [[String]]) throws -> Void) throws {
    switch rows {
    case .dataset(let dataset): try run(dataset) { try body($0, []) }
    case .table(let table): try run(table, body)
    case .array(let array): try run(array) { try body($0, []) }
    }
  }

  private func run(_ array: NPYRows, _ body: (MatrixView) throws -> Void) throws {
    let buffer = AlignedBuffer<Float>(count: Self.blockRows * array.columns)
    while true {
      let count = try array.read(Self.blockRows, into: buffer.base)
      guard count > 0 else { break }
      try body(try outputs(buffer.matrix(rows: count, columns: array.columns)))
    }
    withExtendedLifetime(buffer) {}
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
    model.network.loss.outputTransform.apply(outputs)
    return outputs.readOnly
  }
}
