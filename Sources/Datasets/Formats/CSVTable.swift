// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// A table of comma-separated values: a row of numbers and targets a line, with a header or without.
struct CSVTable {
  private let path: String
  private var options: LoadOptions
  private var parser: CSVParser
  private var record = CSVParser.Record()
  private var names: [String] = []
  private var targetColumns: [Int] = []
  private var isTarget: [Bool] = []
  private var features: [Float] = []
  private var labels: [String] = []
  private var values: [Float] = []
  private var lines: [Int] = []

  static func load(_ path: String, _ options: LoadOptions) throws(DatasetError) -> Dataset {
    try parse(ByteFile.read(path), path: path, options)
  }

  static func parse(
    _ bytes: [UInt8], path: String, _ options: LoadOptions
  ) throws(DatasetError) -> Dataset {
    var table = CSVTable(bytes, path, options)
    return try table.read()
  }

  private init(_ bytes: [UInt8], _ path: String, _ options: LoadOptions) {
    self.path = path
    self.options = options
    parser = CSVParser(bytes, path: path)
  }

  private mutating func read() throws(DatasetError) -> Dataset {
    guard try parser.next(&record) else { throw .malformed(path, "no rows") }
    let first = record.fields.map(parser.text)
    try chooseColumns(first)
    var hasRow = true
    if isHeader(first) {
      hasRow = try parser.next(&record)
    } else {
      names = first.indices.map { "column \($0 + 1)" }
    }
    while hasRow {
      try takeRow()
      hasRow = try parser.next(&record)
    }
    guard !lines.isEmpty else { throw .malformed(path, "a header but no rows") }
    return try makeDataset()
  }

  /// The first line is a header if a feature column has text where a number should be.
  private func isHeader(_ fields: [String]) -> Bool {
    let columns = record.fields.indices.filter { !isTarget[$0] }
    return columns.contains { column in
      !fields[column].isEmpty && parser.number(record.fields[column]) == nil
    }
  }

  private mutating func chooseColumns(_ fields: [String]) throws(DatasetError) {
    names = fields
    isTarget = Array(repeating: false, count: fields.count)
    if options.targets == .absent { return }
    let wanted = options.targetColumns
    targetColumns = []
    if wanted.isEmpty { targetColumns = [fields.count - 1] }
    for name in wanted { targetColumns.append(try column(name, fields)) }
    for column in targetColumns { isTarget[column] = true }
    if options.targets == .classes && targetColumns.count > 1 {
      throw .usage("--target: classes are in one column, not in \(targetColumns.count)")
    }
    guard targetColumns.count < fields.count else {
      throw .malformed(path, "only \(fields.count) column: features and a target are needed")
    }
  }

  private func column(_ name: String, _ fields: [String]) throws(DatasetError) -> Int {
    let matches = fields.indices.filter { fields[$0] == name }
    if matches.count == 1 { return matches[0] }
    if matches.count > 1 {
      throw .usage("--target \(name): \(matches.count) columns of \(path) have that name")
    }
    if let number = Int(name), fields.indices.contains(number - 1) { return number - 1 }
    throw .usage(
      "--target \(name): no such column in \(path); it has "
        + fields.prefix(20).joined(separator: ", "))
  }

  private mutating func takeRow() throws(DatasetError) {
    guard record.fields.count == names.count else {
      throw .malformed(
        path: path, place: "line \(record.line)",
        problem: "\(record.fields.count) fields where \(names.count) are expected")
    }
    for column in record.fields.indices where !isTarget[column] {
      features.append(try number(column))
    }
    // A target column that begins with text holds classes, whatever the loss.
    if lines.isEmpty, options.targets == .numeric, targetColumns.count == 1,
      parser.number(record.fields[targetColumns[0]]) == nil
    {
      options.targets = .classes
    }
    for column in targetColumns {
      switch options.targets {
      case .absent, .ignored: break
      case .numeric: values.append(try number(column))
      case .classes:
        let label = parser.text(record.fields[column])
        guard !label.isEmpty else { throw wrong(column, "an empty label") }
        labels.append(label)
      }
    }
    lines.append(record.line)
  }

  private func number(_ column: Int) throws(DatasetError) -> Float {
    guard let number = parser.number(record.fields[column]) else {
      let text = parser.text(record.fields[column])
      throw wrong(
        column,
        text.isEmpty
          ? "an empty field where a number is needed"
          : "\"\(text.prefix(40))\" is not a number")
    }
    guard number.isFinite else {
      throw wrong(column, "\(parser.text(record.fields[column])) is not a finite number")
    }
    return number
  }

  private func wrong(_ column: Int, _ problem: String) -> DatasetError {
    .malformed(path: path, place: "line \(record.line), \(names[column])", problem: problem)
  }

  private func makeDataset() throws(DatasetError) -> Dataset {
    let columns = names.count - targetColumns.count
    let targets: Dataset.Targets
    switch options.targets {
    case .absent, .ignored:
      targets = .absent
    case .numeric:
      targets = .values(AlignedBuffer(values), names: targetColumns.map { names[$0] })
    case .classes:
      targets = try ClassLabels.targets(labels, known: options.knownLabels, path: path) { row in
        "line \(lines[row])"
      }
    }
    return Dataset(
      rows: lines.count, columns: columns, features: AlignedBuffer(features), targets: targets,
      featureNames: names.indices.filter { !isTarget[$0] }.map { names[$0] })
  }
}
