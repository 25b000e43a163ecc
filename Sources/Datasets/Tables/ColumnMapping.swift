// SPDX-License-Identifier: Apache-2.0

/// Which columns of a new table are the features and targets of a schema.
struct ColumnMapping {
  /// The number of columns.
  let width: Int
  let hasHeader: Bool
  let selection: ColumnSelection
  /// The schema's columns that are features, or their numbers where it has none, each with the table's.
  private(set) var features: [(feature: Int, column: Int)] = []
  /// The target columns; empty if the table has none.
  private(set) var targets: [Int] = []
  private(set) var notices: [String] = []
  /// The columns that the model's table did not have.
  private var extra: [Int] = []

  init(
    _ records: TableRecords, _ schema: TableSchema, inputs: Int, _ options: TableOptions
  ) throws(DatasetError) {
    records.separator =
      if let known = options.separator {
        known
      } else {
        // A table of one column has no separator.
        (try? records.findSeparator()) ?? schema.separator ?? .comma
      }
    _ = try records.skipCountsLine()
    let sample = records.firstRecords(1000)
    guard let first = sample.first else {
      _ = try records.next()
      throw .malformed(records.path, "it has no rows")
    }
    width = first.count
    let known = Set(schema.columns.map(\.name).filter { !$0.isEmpty })
    let hasKnownName =
      schema.hasHeader
      && first.contains {
        known.contains($0.text) && !TableCell.isNumber($0.text)
      }
    hasHeader =
      options.header ?? (hasKnownName || HeaderRule(first, sample.dropFirst()).isHeader)
    selection = ColumnSelection(
      path: records.path, names: hasHeader ? first.map(\.text) : [], width: width)
    if hasHeader && schema.hasHeader {
      try mapByName(schema)
    } else {
      try mapByPlace(schema, inputs: inputs, options)
    }
    if !options.target.isEmpty { targets = try selection.columns(options.target, "--target") }
    let count = max(schema.scales.count, 1)
    guard targets.isEmpty || targets.count == count else {
      throw .usage(
        "--target: \(targets.count == 1 ? "1 column" : "\(targets.count) columns"), but the model has "
          + "\(count == 1 ? "1 target" : "\(count) targets")")
    }
    extra.removeAll { targets.contains($0) }
    if !extra.isEmpty {
      notices.append(
        "columns that the model's table did not have are passed over: "
          + ColumnSelection.list(extra.map(selection.name(of:))))
    }
  }

  private mutating func mapByName(_ schema: TableSchema) throws(DatasetError) {
    var places: [String: [Int]] = [:]
    for (column, name) in selection.names.enumerated().reversed() {
      places[name, default: []].append(column)
    }
    // Of columns of the same name, the first is the first.
    func take(_ column: Int) -> Int? { places[schema.columns[column].name]?.popLast() }
    var missing: [String] = []
    var found: [Int: Int] = [:]
    for column in schema.columns.indices { found[column] = take(column) }
    for feature in schema.featureColumns {
      if let column = found[feature] {
        features.append((feature, column))
      } else {
        missing.append(schema.name(of: feature))
      }
    }
    guard missing.isEmpty else {
      throw .malformed(
        selection.path,
        "\(missing.count == 1 ? "a column" : "\(missing.count) columns") of the model "
          + "\(missing.count == 1 ? "is" : "are") missing: \(ColumnSelection.list(missing)); it has "
          + ColumnSelection.list(selection.names.indices.map(selection.name(of:))))
    }
    let columns = schema.targetColumns.compactMap { found[$0] }
    if columns.count == schema.targetColumns.count { targets = columns }
    let used = Set(found.values)
    extra = selection.names.indices.filter { !used.contains($0) }
  }

  /// The names of targets that the table does not have.
  func missingTargets(_ schema: TableSchema) -> [String] {
    schema.targetColumns.map(schema.name(of:)).filter { !selection.names.contains($0) }
  }

  private mutating func mapByPlace(
    _ schema: TableSchema, inputs: Int, _ options: TableOptions
  ) throws(DatasetError) {
    let columns = schema.columns
    let featureColumns = columns.isEmpty ? Array(0..<inputs) : schema.featureColumns
    let outputs = max(schema.scales.count, 1)
    if columns.isEmpty ? width == inputs + outputs : width == columns.count {
      if columns.isEmpty {
        // The model has no table of its own: targets are last, as in training by default.
        targets =
          options.target.isEmpty
          ? Array(inputs..<width) : try selection.columns(options.target, "--target")
        let others = (0..<width).filter { !targets.contains($0) }
        features = zip(featureColumns, others).map { ($0, $1) }
      } else {
        targets = schema.targetColumns
        features = featureColumns.map { ($0, $0) }
      }
    } else if let weights = schema.weightsColumn, width == columns.count - 1 {
      // All but the weights, which only training needs.
      func place(_ column: Int) -> Int { column - (column > weights ? 1 : 0) }
      targets = schema.targetColumns.map(place)
      features = featureColumns.map { ($0, place($0)) }
      notices.append(
        "\(width) columns are one fewer than the model's table had: they are taken for all of them but "
          + "the weights, \(schema.name(of: weights))")
    } else if width == featureColumns.count {
      features = zip(featureColumns, 0..<width).map { ($0, $1) }
    } else {
      let names = hasHeader ? " (\(ColumnSelection.list(selection.names)))" : ""
      throw .malformed(
        selection.path,
        "\(width) columns\(names), but the model was trained on \(columns.isEmpty ? inputs + outputs : columns.count) and "
          + "takes \(featureColumns.count) features")
    }
    if hasHeader, !schema.hasHeader, !columns.isEmpty {
      notices.append("the model's table had no header: columns are taken by their places")
    }
  }
}
