// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import NeuralCore

/// Reads another table than the one that a model was trained on, row by row in constant memory, as the
/// model's schema says.
public final class NewTable {
  /// The number of a row's features.
  public let inputs: Int
  /// The class of the last row.
  public private(set) var classIndex: Int32 = 0
  /// The standardized numbers that the last row's targets are.
  public private(set) var values: [Float]
  /// The texts of the last row's columns that are passed through.
  public private(set) var passed: [String] = []

  private let records: TableRecords
  private let schema: TableSchema
  private let mapping: ColumnMapping
  private let encodings: [ColumnEncoding]
  private let classes: ClassNames
  private let readsTargets: Bool
  private let passes: [Int]
  private var problems: NewTableProblems
  private var isPastHeader = false

  /// Opens a table.
  ///
  /// - Parameters:
  ///   - path: a file, or `-` for standard input.
  ///   - inputs: the network's inputs.
  ///   - options: separator, header and target, where they are given.
  ///   - readsTargets: whether targets are read, and must be there.
  ///   - passing: columns whose texts are passed through, by name or number.
  ///   - option: the option that names these columns, for messages.
  /// - Throws: ``DatasetError`` also if the columns are not those of the schema.
  public init(
    _ path: String, _ schema: TableSchema, inputs: Int, _ options: TableOptions = TableOptions(),
    readsTargets: Bool, passing: [String] = [], option: String = "--columns"
  ) throws(DatasetError) {
    self.schema = schema
    self.inputs = inputs
    self.readsTargets = readsTargets
    records = try TableRecords(TextSource(path))
    mapping = try ColumnMapping(records, schema, inputs: inputs, options)
    encodings =
      schema.columns.isEmpty
      ? (0..<inputs).map { .number(place: $0, fill: 0) } : ColumnEncoding.all(schema)
    classes = ClassNames(schema.labels)
    values = Array(repeating: 0, count: schema.scales.count)
    passes = try mapping.selection.columns(passing, option)
    problems = NewTableProblems(
      records.path, mapping, schema, dropsIncomplete: schema.missing == .drop && readsTargets)
    if readsTargets, mapping.targets.isEmpty {
      throw .malformed(
        path,
        "it has no target"
          + (schema.hasHeader
            ? ": no column is named \(mapping.missingTargets(schema).joined(separator: " or "))"
            : "") + "; name the column with --target")
    }
  }

  /// What a person should know: columns that are not used, and, at the end of the table, cells that were
  /// filled in or have no level.
  public var notices: [String] { mapping.notices + problems.notices }

  /// The names of the columns that are passed through.
  public var passedNames: [String] { passes.map { mapping.selection.name(of: $0) } }

  /// Reads the next row, past rows that the schema leaves out.
  ///
  /// - Parameter features: receives the row's inputs.
  /// - Returns: false at the end.
  /// - Throws: ``DatasetError``; for cells that can't be used only at the end of the table, with all of
  ///   them.
  public func next(into features: UnsafeMutablePointer<Float>) throws(DatasetError) -> Bool {
    if !isPastHeader {
      isPastHeader = true
      if mapping.hasHeader { _ = try records.next() }
    }
    while try records.next() {
      guard records.fields.count == mapping.width else {
        throw TableRecords.unevenRecord(
          records.path, line: records.line, fields: records.fields.count, expected: mapping.width,
          records.separator)
      }
      let isComplete = readFeatures(into: features)
      if readsTargets { readTargets() }
      guard isComplete || !problems.dropsIncomplete else { continue }
      passed = passes.map { records.text(records.fields[$0]) }
      if !problems.areFatal { return true }
    }
    try problems.check()
    return false
  }

  /// - Returns: whether no cell is missing.
  private func readFeatures(into features: UnsafeMutablePointer<Float>) -> Bool {
    features.update(repeating: 0, count: inputs)
    var isComplete = true
    for (feature, column) in mapping.features {
      let field = records.fields[column]
      switch encodings[feature] {
      case .none: break
      case .number(let place, let fill):
        switch TableCell(records.base, field) {
        case .number(let number):
          features[place] = records.float(number, field)
          if !features[place].isFinite {
            problems.add(.infinite, column, records.line, records.text(field))
          }
        case .missing:
          features[place] = fill
          isComplete = false
          problems.add(.missing, column, records.line, "")
        case .word: problems.add(.word, column, records.line, records.text(field))
        }
      case .category(let levels, let missing):
        if TableCell.isMissing(records.bytes(field)) {
          if let missing { features[missing] = 1 }
          isComplete = false
          problems.add(.missing, column, records.line, "")
        } else if let place = levels[records.text(field)] {
          features[place] = 1
        } else {
          problems.add(.unseen, column, records.line, records.text(field))
        }
      }
    }
    return isComplete
  }

  private func readTargets() {
    for (index, column) in mapping.targets.enumerated() {
      let field = records.fields[column]
      if TableCell.isMissing(records.bytes(field)) {
        problems.add(.noTarget, column, records.line, "")
      } else if schema.scales.isEmpty {
        if let known = classes.index(of: records.text(field)) {
          classIndex = known
        } else {
          problems.add(.unknownLabel, column, records.line, records.text(field))
        }
      } else if case .number(let number) = TableCell(records.base, field), Float(number).isFinite {
        values[index] = schema.scales[index].standardized(number)
      } else {
        problems.add(.word, column, records.line, records.text(field))
      }
    }
  }
}

extension NewTable {
  /// Reads all rows with their targets.
  static func load(
    _ path: String, _ schema: TableSchema, _ options: LoadOptions
  ) throws(DatasetError) -> LoadedData {
    let table = try NewTable(
      path, schema, inputs: options.inputs ?? schema.width, options.table,
      readsTargets: options.readsTargets, passing: options.table.groups.map { [$0] } ?? [],
      option: "--by")
    var groups = table.passedNames.first.map { RowGroups.Builder(column: $0, path: path) }
    let (width, outputs) = (table.inputs, table.values.count)
    var blocks: [RowBlock] = []
    var rows = 0
    while true {
      if blocks.last.map({ $0.rows == $0.capacity }) ?? true {
        blocks.append(
          try RowBlock(features: width, targets: max(outputs, 1), path: path))
      }
      guard let block = blocks.last else { break }
      // The bits of Float32 numbers, as they are.
      let row = UnsafeMutableRawPointer(block.features + block.rows * width)
        .assumingMemoryBound(to: Float.self)
      guard try table.next(into: row) else { break }
      if let text = table.passed.first { try groups?.add(text) }
      let targets = block.targets + block.rows * max(outputs, 1)
      if outputs == 0 { targets[0] = Double(table.classIndex) }
      for (index, value) in table.values.enumerated() { targets[index] = Double(value) }
      block.rows += 1
      rows += 1
    }
    guard rows > 0 else { throw .malformed(path, "it has no rows") }
    var data = LoadedData(
      training: try dataset(path, blocks, rows: rows, width: width, schema, options),
      schema: schema,
      notices: table.notices)
    data.groups = groups?.finish()
    return data
  }

  private static func dataset(
    _ path: String, _ blocks: [RowBlock], rows: Int, width: Int, _ schema: TableSchema,
    _ options: LoadOptions
  ) throws(DatasetError) -> Dataset {
    let shape = DatasetShape(
      rows: rows, columns: width,
      labels: options.readsTargets && schema.scales.isEmpty ? schema.labels : nil,
      targetNames: options.readsTargets && !schema.scales.isEmpty ? schema.scales.map(\.name) : nil,
      isWeighted: false)
    var blocks = Array(blocks.reversed())
    guard
      let memory = SingleTableReader.allocate(
        bytes: shape.byteCount,
        { memory in
          let memory = DatasetMemory(shape, memory)
          var first = 0
          while let block = blocks.popLast() {
            UnsafeMutableRawPointer(memory.features + first * width).copyMemory(
              from: block.features, byteCount: block.rows * width * MemoryLayout<Float>.stride)
            let outputs = schema.scales.count
            for place in 0..<block.rows * max(outputs, 1) where options.readsTargets {
              if outputs == 0 {
                memory.classes[first + place] = Int32(block.targets[place])
              } else {
                memory.values[first * outputs + place] = Float(block.targets[place])
              }
            }
            first += block.rows
          }
        })
    else { throw .unreadable(path: path, reason: "needs more memory than is free") }
    return Dataset(shape, in: memory, from: 0)
  }
}

/// The classes of a model, found by their labels; labels that are numbers by their value.
struct ClassNames {
  private let indices: [String: Int32]
  private let numbers: [Double: Int32]

  init(_ labels: [String]) {
    indices = Dictionary(
      zip(labels, 0..<Int32(labels.count)), uniquingKeysWith: { first, _ in first })
    var numbers: [Double: Int32] = [:]
    for (label, index) in indices {
      if case .number(let number) = TableCell(label) { numbers[number] = index }
    }
    // Where some are words, 1 and 1.0 may be two classes.
    self.numbers = numbers.count == labels.count ? numbers : [:]
  }

  func index(of label: String) -> Int32? {
    if let index = indices[label] { return index }
    guard !numbers.isEmpty, case .number(let number) = TableCell(label) else { return nil }
    return numbers[number]
  }
}

/// Cells of a new table that can't be used as they are.
private struct NewTableProblems {
  enum Kind: CaseIterable {
    case word, infinite, noTarget, unknownLabel, missing, unseen
  }

  private let path: String
  private let mapping: ColumnMapping
  private let schema: TableSchema
  /// Whether rows with missing cells are left out: where they are evaluated; a prediction is owed for
  /// each row.
  let dropsIncomplete: Bool
  private var cells: [Kind: [Int: ColumnTally.Cells]] = [:]
  /// Whether a cell was met with which the table can't be used.
  private(set) var areFatal = false

  init(_ path: String, _ mapping: ColumnMapping, _ schema: TableSchema, dropsIncomplete: Bool) {
    self.path = path
    self.dropsIncomplete = dropsIncomplete
    self.mapping = mapping
    self.schema = schema
  }

  mutating func add(_ kind: Kind, _ column: Int, _ line: Int, _ text: @autoclosure () -> String) {
    cells[kind, default: [:]][column, default: .init()].add(line: line, text())
    switch kind {
    case .word, .infinite, .noTarget, .unknownLabel: areFatal = true
    case .missing: if schema.missing != .mean, !dropsIncomplete { areFatal = true }
    case .unseen: break
    }
  }

  var notices: [String] {
    [
      list(.missing, "missing").map {
        dropsIncomplete ? "rows with missing cells are left out: \($0)" : "\($0): filled in"
      },
      list(.unseen, "with a level that was not in the training data").map {
        "\($0): taken for no level"
      },
    ].compactMap { $0 }
  }

  /// - Throws: ``DatasetError`` that lists all cells that can't be used.
  func check() throws(DatasetError) {
    var problems = [
      list(.word, "without a number").map { "\($0): correct them" },
      list(.infinite, "too large for a Float32").map { "\($0): correct them" },
      list(.noTarget, "without a target").map { "\($0): remove these rows" },
      list(.unknownLabel, "with a label").map {
        "\($0) that is none of the classes "
          + ColumnSelection.list(schema.labels, limit: 12)
      },
    ].compactMap { $0 }
    if schema.missing != .mean, !dropsIncomplete, let missing = list(.missing, "missing") {
      problems.append(
        "\(missing): the model was trained with --missing \(schema.missing.rawValue): fill them in")
    }
    guard problems.isEmpty else { throw .malformed(path, problems.joined(separator: "; ")) }
  }

  private func list(_ kind: Kind, _ what: String) -> String? {
    guard let columns = cells[kind], !columns.isEmpty else { return nil }
    let texts = columns.sorted { $0.key < $1.key }.map { column, cells in
      let example = cells.example.isEmpty ? "" : "\"\(cells.example.prefix(40))\" "
      return "\(mapping.selection.name(of: column)): \(cells.count) "
        + "\(cells.count == 1 ? "cell" : "cells") \(what) (first \(example)in line \(cells.firstLine))"
    }
    return ColumnSelection.list(texts, limit: 8)
  }
}
