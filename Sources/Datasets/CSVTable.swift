// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// A table of comma-separated values: one row of features and targets per line, with or without a
/// header.
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
    guard try parser.next(&record) else { throw .malformed(path, "it has no rows") }
    let first = record.fields.map(parser.text)
    try chooseColumns(first)
    var hasRow = true
    if isHeader(first) {
      hasRow = try parser.next(&record)
    } else {
      names = first.indices.map { "column \($0 + 1)" }
    }
    while hasRow {
      try appendRow()
      hasRow = try parser.next(&record)
    }
    guard !lines.isEmpty else { throw .malformed(path, "it has a header but no rows") }
    return try makeDataset()
  }

  /// Whether the first line is a header: a feature column has text instead of a number.
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
      throw .usage("--target: classes must be in one column, not in \(targetColumns.count)")
    }
    guard targetColumns.count < fields.count else {
      throw .malformed(
        path, "only \(fields.count) column: at least one feature and one target are required")
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

  private mutating func appendRow() throws(DatasetError) {
    guard record.fields.count == names.count else {
      throw .malformed(
        path: path, place: "line \(record.line)",
        problem: "\(record.fields.count) fields, expected \(names.count)")
    }
    for column in record.fields.indices where !isTarget[column] {
      features.append(try number(column))
    }
    // A target column whose first row is text holds classes, whatever the loss.
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
        guard !label.isEmpty else { throw malformed(column, "empty label") }
        labels.append(label)
      }
    }
    lines.append(record.line)
  }

  private func number(_ column: Int) throws(DatasetError) -> Float {
    guard let number = parser.number(record.fields[column]) else {
      let text = parser.text(record.fields[column])
      throw malformed(
        column,
        text.isEmpty
          ? "empty field, expected a number"
          : "\"\(text.prefix(40))\" is not a number")
    }
    guard number.isFinite else {
      throw malformed(column, "\(parser.text(record.fields[column])) is not a finite number")
    }
    return number
  }

  private func malformed(_ column: Int, _ problem: String) -> DatasetError {
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
      targets = try .classes(of: labels, known: options.knownLabels, path: path) {
        "line \(lines[$0])"
      }
    }
    return Dataset(
      rows: lines.count, columns: columns, features: AlignedBuffer(features), targets: targets,
      featureNames: names.indices.filter { !isTarget[$0] }.map { names[$0] })
  }
}

/// Splits comma-separated values into records of fields (RFC 4180).
///
/// Fields may be quoted, with doubled quotes and line breaks inside; lines end in LF or CRLF; a byte
/// order mark and blank lines are skipped.
private struct CSVParser {
  /// A record: the line on which it begins, and its fields.
  struct Record {
    var line = 1
    var fields: [Field] = []
  }

  /// The bytes of a field, and whether quotes surround them.
  struct Field {
    var range: Range<Int>
    var isQuoted = false
    var hasDoubledQuotes = false
  }

  private let bytes: [UInt8]
  private let path: String
  private var position = 0
  private var line = 1

  private static let quote = UInt8(ascii: "\"")
  private static let comma = UInt8(ascii: ",")
  private static let newline = UInt8(ascii: "\n")
  private static let carriageReturn = UInt8(ascii: "\r")

  init(_ bytes: [UInt8], path: String) {
    self.bytes = bytes
    self.path = path
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
  }

  /// Reads the next record into `record`; returns false at the end.
  mutating func next(_ record: inout Record) throws(DatasetError) -> Bool {
    skipBlankLines()
    guard position < bytes.count else { return false }
    record.line = line
    record.fields.removeAll(keepingCapacity: true)
    while true {
      record.fields.append(try field())
      guard position < bytes.count, bytes[position] == Self.comma else { break }
      position += 1
    }
    if position < bytes.count, bytes[position] == Self.carriageReturn { position += 1 }
    if position < bytes.count, bytes[position] == Self.newline {
      position += 1
      line += 1
    }
    return true
  }

  private mutating func skipBlankLines() {
    while position < bytes.count,
      bytes[position] == Self.newline || bytes[position] == Self.carriageReturn
    {
      if bytes[position] == Self.newline { line += 1 }
      position += 1
    }
  }

  private mutating func field() throws(DatasetError) -> Field {
    if position < bytes.count, bytes[position] == Self.quote { return try quotedField() }
    let start = position
    while position < bytes.count, bytes[position] != Self.comma, bytes[position] != Self.newline,
      bytes[position] != Self.carriageReturn
    { position += 1 }
    return Field(range: start..<position)
  }

  private mutating func quotedField() throws(DatasetError) -> Field {
    let firstLine = line
    var field = Field(range: position + 1..<position + 1, isQuoted: true)
    position += 1
    while position < bytes.count {
      if bytes[position] == Self.newline { line += 1 }
      guard bytes[position] == Self.quote else {
        position += 1
        continue
      }
      guard position + 1 < bytes.count, bytes[position + 1] == Self.quote else { break }
      field.hasDoubledQuotes = true
      position += 2
    }
    guard position < bytes.count else {
      throw .malformed(
        path: path, place: "line \(firstLine)", problem: "a quoted field has no closing quote")
    }
    field.range = field.range.lowerBound..<position
    position += 1
    guard
      position == bytes.count
        || [Self.comma, Self.newline, Self.carriageReturn].contains(bytes[position])
    else {
      throw .malformed(
        path: path, place: "line \(line)", problem: "text after the closing quote of a field")
    }
    return field
  }

  /// The text of a field, without surrounding blanks unless it is quoted.
  func text(_ field: Field) -> String {
    if field.isQuoted {
      let text = String(decoding: bytes[field.range], as: UTF8.self)
      return field.hasDoubledQuotes ? text.replacing("\"\"", with: "\"") : text
    }
    return String(decoding: bytes[trimmed(field)], as: UTF8.self)
  }

  /// The number in a field: NaN for the words NaN and infinity, nil for other text and hexadecimal
  /// numbers.
  func number(_ field: Field) -> Float? {
    let range = trimmed(field)
    guard !range.isEmpty, range.count < 64 else { return nil }
    let isPlain = bytes[range].allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"),
        UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
        true
      default: false
      }
    }
    guard isPlain else {
      return ["nan", "inf", "infinity"].contains(
        text(field).lowercased().trimmingPrefix(while: { "+-".contains($0) })) ? .nan : nil
    }
    return Float(Substring(decoding: bytes[range], as: UTF8.self))
  }

  private func trimmed(_ field: Field) -> Range<Int> {
    var (start, end) = (field.range.lowerBound, field.range.upperBound)
    while start < end, bytes[start] == 0x20 || bytes[start] == 0x09 { start += 1 }
    while start < end, bytes[end - 1] == 0x20 || bytes[end - 1] == 0x09 { end -= 1 }
    return start..<end
  }
}
