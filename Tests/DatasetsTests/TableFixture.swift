// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import NeuralCore
import TestSupport
import Testing

/// Writes tables into a folder of its own, and loads them.
struct TableFixture {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Options for a table to train on, as the command line has them by default.
  static func options(_ change: (inout LoadOptions) -> Void = { _ in }) -> LoadOptions {
    var options = LoadOptions(targets: .automatic)
    options.standardizesTargets = true
    change(&options)
    return options
  }

  /// Loads a table to train on.
  func load(_ text: String, _ change: (inout LoadOptions) -> Void = { _ in }) throws -> LoadedData {
    try load(Array(text.utf8), change)
  }

  /// Loads a table to train on.
  func load(
    _ bytes: [UInt8], _ change: (inout LoadOptions) -> Void = { _ in }
  ) throws -> LoadedData {
    try Dataset.load(.table(path: folder.write("t.csv", bytes)), Self.options(change))
  }

  /// The message with which a table is refused, without the path.
  func refusal(
    _ text: String, _ change: (inout LoadOptions) -> Void = { _ in },
    _ location: SourceLocation = #_sourceLocation
  ) throws -> String {
    let path = try folder.write("t.csv", text)
    let error = DatasetsTests.refusal(.table(path: path), Self.options(change), location)
    return error?.description.replacing(path + ": ", with: "").replacing(path, with: "t.csv") ?? ""
  }

  /// Reads a new table by a schema: the features of each row, its class or values, and what is said.
  func read(
    _ text: String, _ schema: TableSchema, _ options: TableOptions = TableOptions(),
    readsTargets: Bool = true, passing: [String] = []
  ) throws -> NewRows {
    let path = try folder.write("new.csv", text)
    let table = try NewTable(
      path, schema, inputs: schema.width, options, readsTargets: readsTargets, passing: passing)
    var rows = NewRows()
    let row = UnsafeMutablePointer<Float>.allocate(capacity: max(table.inputs, 1))
    defer { row.deallocate() }
    while try table.next(into: row) {
      rows.features.append(Array(UnsafeBufferPointer(start: row, count: table.inputs)))
      rows.classes.append(Int(table.classIndex))
      rows.values.append(table.values)
      rows.passed.append(table.passed)
    }
    rows.notices = table.notices
    rows.passedNames = table.passedNames
    return rows
  }

  /// The message with which a new table is refused, without the path.
  func newRefusal(
    _ text: String, _ schema: TableSchema, _ options: TableOptions = TableOptions(),
    readsTargets: Bool = true, passing: [String] = [], _ location: SourceLocation = #_sourceLocation
  ) -> String {
    do {
      _ = try read(text, schema, options, readsTargets: readsTargets, passing: passing)
      Issue.record("the table was accepted", sourceLocation: location)
      return ""
    } catch let error as DatasetError {
      let path = folder.file("new.csv")
      return error.description.replacing(path + ": ", with: "").replacing(path, with: "new.csv")
    } catch {
      Issue.record("\(error)", sourceLocation: location)
      return ""
    }
  }
}

/// The rows of a new table.
struct NewRows {
  var features: [[Float]] = []
  var classes: [Int] = []
  var values: [[Float]] = []
  var passed: [[String]] = []
  var passedNames: [String] = []
  var notices: [String] = []
}

extension LoadedData {
  /// What the table was understood as.
  var known: TableSchema {
    get throws { try #require(schema) }
  }
}

extension Dataset {
  /// The features, row by row.
  var featureRows: [[Float]] {
    (0..<rows).map { row in (0..<columns).map { features[row * columns + $0] } }
  }

  /// The class of each row; empty if targets are numbers.
  var classIndices: [Int] {
    if case .classes(let indices, _) = targets { return indices.elements.map { Int($0) } }
    return []
  }

  /// The targets of the rows that are numbers; empty if they are classes.
  var targetValues: [Float] {
    if case .values(let values, _) = targets { return Array(values.elements) }
    return []
  }

  /// The bytes of features and targets.
  var bytes: [UInt8] {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: shape.byteCount, alignment: 64)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: 0)
    if let base = memory.baseAddress { copyNumbers(to: base) }
    return Array(memory)
  }
}

extension TableSchema {
  /// The names of the columns that are left out, with the reasons.
  var ignored: [String] {
    columns.indices.compactMap { index in
      guard case .ignored(let reason) = columns[index].role else { return nil }
      return "\(name(of: index)) (\(reason))"
    }
  }

  /// The levels, rare levels and whether there is one for missing cells, of a column.
  func category(_ column: Int) -> (levels: [String], rare: [String], hasMissing: Bool)? {
    guard case .category(let levels, let rare, let hasMissing) = columns[column].role else {
      return nil
    }
    return (levels, rare, hasMissing)
  }

  /// The number that stands for missing cells of a column.
  func fill(_ column: Int) -> Double? {
    if case .number(let fill) = columns[column].role { return fill }
    return nil
  }
}
