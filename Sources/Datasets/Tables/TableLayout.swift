// SPDX-License-Identifier: Apache-2.0

/// What a person says about how a table is to be read.
public struct TableOptions: Hashable, Sendable {
  /// What separates the fields; nil to find it out.
  public var separator: TableSeparator?
  /// Whether the first record is a header; nil to find it out.
  public var header: Bool?
  /// The target columns, by name or by number from 1; the last column if empty.
  public var target: [String] = []
  /// The feature columns; all but the targets if empty.
  public var features: [String] = []
  /// Columns that are neither.
  public var ignored: [String] = []
  /// The column of the rows' weights in the training loss, by name or number; nil for none.
  public var weights: String?
  /// Columns that are categories even if all of their cells are numbers.
  public var categorical: [String] = []
  /// The largest number of inputs that a category gets.
  public var maxLevels = 256
  /// What is done about missing cells of features.
  public var missing = MissingPolicy.mean
  /// A column by whose texts the rows are grouped, of any role; only where a model's schema is given.
  public var groups: String?

  /// Everything is found out.
  public init() {}

  /// Refuses options about columns where data have none.
  func requireNoColumns() throws(DatasetError) {
    let options = [
      ("--target", target), ("--features", features), ("--ignore", ignored),
      ("--categorical", categorical), ("--weights", weights.map { [$0] } ?? []),
      ("--by", groups.map { [$0] } ?? []),
    ]
    for (option, columns) in options where !columns.isEmpty {
      throw .usage(
        "\(option) \(columns.joined(separator: ",")): only the columns of a table can be named; arrays, "
          + "images and built-in data have targets of their own")
    }
  }
}

/// How a table is read: what the fields of its records are, decided from the first of them.
///
/// What a later record contradicts is decided anew, and the table read once more.
struct TableLayout {
  /// What becomes of the cells of a column.
  enum Use: Equatable {
    case number
    /// Interned as texts.
    case word
    case target
    /// Interned as a text that is a target.
    case targetWord
    /// A number that is the row's weight.
    case weight
    case ignored(reason: String)
  }

  let path: String
  let separator: TableSeparator
  let hasHeader: Bool
  /// Whether an option names a column by a name of the header.
  let isHeaderNamed: Bool
  /// The header's names without blanks around them; empty if there is no header.
  let names: [String]
  /// A first line that is passed over, since it holds counts of rows and features and no record.
  let countsLine: String?
  /// The texts of the first record.
  let first: [String]
  /// What each column is used for.
  var uses: [Use]
  /// The target columns in the order in which they are named.
  let targets: [Int]
  /// The columns that are categories because somebody says so.
  let categorical: Set<Int>
  /// The column of the rows' weights; nil without one.
  let weights: Int?

  var width: Int { uses.count }

  /// The number of records that a layout is decided from.
  private static let sampleRecords = 1000

  /// Decides how to read the records that follow.
  ///
  /// - Parameters:
  ///   - header: whether the first record is a header, if that is known; nil to decide.
  ///   - words: columns that are known to have words further down.
  init(
    _ records: TableRecords, _ options: TableOptions, header: Bool?, words: Set<Int> = []
  ) throws(DatasetError) {
    path = records.path
    separator =
      if let known = options.separator { known } else { try records.findSeparator() }
    records.separator = separator
    countsLine = try records.skipCountsLine()
    let sample = records.firstRecords(Self.sampleRecords)
    if let width = sample.first?.count, width < 2 {
      throw .malformed(
        path, "only 1 column where \(separator.name) separates them: name another separator")
    }
    guard let firstRecord = sample.first else {
      // The records themselves know what is wrong with the first one.
      _ = try records.next()
      throw .malformed(path, "it has no rows")
    }
    first = firstRecord.map(\.text)
    let wanted =
      options.target + options.features + options.ignored + options.categorical
      + (options.weights.map { [$0] } ?? [])
    isHeaderNamed = wanted.contains { name in
      Int(name) == nil && firstRecord.contains { $0.text == name.trimmed }
    }
    hasHeader =
      header ?? options.header
      ?? (isHeaderNamed || HeaderRule(firstRecord, sample.dropFirst()).isHeader)
    names = hasHeader ? first : []
    let selection = ColumnSelection(path: path, names: names, width: first.count)
    let rows = hasHeader ? sample[1...] : sample[...]
    let ignored = Set(try selection.columns(options.ignored, "--ignore"))
    let features = Set(try selection.columns(options.features, "--features"))
    categorical = Set(try selection.columns(options.categorical, "--categorical"))
    let empty = Self.emptyEnd(names: names, width: first.count, rows)
    let named = try selection.columns(options.target, "--target")
    weights = try Self.weights(
      options, selection,
      others: [
        ("--target", Set(named)), ("--features", features), ("--ignore", ignored),
        ("--categorical", categorical),
      ])
    let left = ignored.union(empty).union(weights.map { [$0] } ?? [])
    targets = if named.isEmpty { [try Self.last(first.count, left, path)] } else { named }
    for column in categorical where ignored.contains(column) || targets.contains(column) {
      throw .usage(
        "--categorical: \(selection.name(of: column)) is no feature, but "
          + (ignored.contains(column) ? "left out by --ignore" : "the target"))
    }
    for (column, name) in zip(named, options.target) where ignored.contains(column) {
      throw .usage(
        "--target \(name): the column is ignored by --ignore, too; leave out one of them")
    }
    for column in targets where features.contains(column) {
      throw .usage(
        "--features: \(selection.name(of: column)) is the target"
          + (named.isEmpty ? "; name another one with --target" : ""))
    }
    let (targets, categorical, weights) = (targets, categorical, weights)
    uses = firstRecord.indices.map { column in
      let hasWords =
        words.contains(column)
        || rows.contains { $0.indices.contains(column) && $0[column].cell.isWord }
      if targets.contains(column) { return hasWords ? .targetWord : .target }
      if column == weights { return .weight }
      if ignored.contains(column) { return .ignored(reason: "--ignore") }
      if !features.isEmpty, !features.contains(column) {
        return .ignored(reason: "not in --features")
      }
      if empty.contains(column), !features.contains(column) {
        return .ignored(reason: Self.emptyReason)
      }
      return hasWords || categorical.contains(column) ? .word : .number
    }
  }

  /// The column of weights, which has no other part.
  private static func weights(
    _ options: TableOptions, _ selection: ColumnSelection,
    others: [(option: String, columns: Set<Int>)]
  ) throws(DatasetError) -> Int? {
    guard let name = options.weights, let column = try selection.columns([name], "--weights").first
    else { return nil }
    if let other = others.first(where: { $0.columns.contains(column) }) {
      throw .usage(
        "--weights \(name): the column is named by \(other.option), too; leave out one of them")
    }
    return column
  }

  /// Why an empty last column is ignored.
  static let emptyReason = "no name and no values"

  /// The last columns that have neither a name nor a value.
  private static func emptyEnd(
    names: [String], width: Int, _ rows: ArraySlice<[(text: String, cell: TableCell)]>
  ) -> Set<Int> {
    var empty: Set<Int> = []
    for column in (0..<width).reversed() {
      let isEmpty = rows.allSatisfy { !$0.indices.contains(column) || $0[column].text.isEmpty }
      guard isEmpty, !rows.isEmpty, names.isEmpty || names[column].isEmpty else { break }
      empty.insert(column)
    }
    return empty.count < width ? empty : []
  }

  /// The last column that is not left out.
  private static func last(
    _ width: Int, _ left: Set<Int>, _ path: String
  ) throws(DatasetError) -> Int {
    guard let last = (0..<width).last(where: { !left.contains($0) }) else {
      throw .malformed(
        path, "all columns are ignored: at least one feature and one target are required")
    }
    return last
  }

  /// How a column is called: its name, or its number.
  func name(of column: Int) -> String {
    ColumnSelection(path: path, names: names, width: width).name(of: column)
  }
}

/// Finds the columns that a person names.
struct ColumnSelection {
  let path: String
  let names: [String]
  let width: Int

  /// How a column is called: its name, or its number.
  func name(of column: Int) -> String {
    guard names.indices.contains(column), !names[column].isEmpty else {
      return "column \(column + 1)"
    }
    return names[column]
  }

  /// The columns that an option names, by name or by number from 1, each once.
  ///
  /// - Throws: ``DatasetError/usage(_:)``.
  func columns(_ wanted: [String], _ option: String) throws(DatasetError) -> [Int] {
    var columns: [Int] = []
    for name in wanted {
      let column = try self.column(name, option)
      guard !columns.contains(column) else {
        throw .usage("\(option) \(name): the column is named twice")
      }
      columns.append(column)
    }
    return columns
  }

  private func column(_ name: String, _ option: String) throws(DatasetError) -> Int {
    let trimmed = name.trimmed
    let matches = names.indices.filter { names[$0] == trimmed }
    if matches.count == 1 { return matches[0] }
    guard matches.isEmpty else {
      throw .usage(
        "\(option) \(name): \(matches.count) columns of \(path) have that name; name it by its number, "
          + matches.map { "\($0 + 1)" }.joined(separator: " or "))
    }
    if let number = Int(trimmed), (1...width).contains(number) { return number - 1 }
    throw .usage(
      "\(option) \(name): no such column in \(path); it has "
        + (names.isEmpty
          ? "\(width) columns without names: use numbers from 1"
          : Self.list(names.indices.map { CSVField.quoted(self.name(of: $0)) }))
        + (names.contains { $0.contains(",") }
          ? "; a name with a comma must be in double quotes" : ""))
  }

  /// The first names of a list.
  static func list(_ names: [String], limit: Int = 20) -> String {
    names.prefix(limit).joined(separator: ", ")
      + (names.count > limit ? " and \(names.count - limit) more" : "")
  }
}

/// Whether the first record of a table holds the names of its columns.
struct HeaderRule {
  private let first: [(text: String, cell: TableCell)]
  private let columns: [Column]
  /// Whether there is no other record.
  private var isAlone = false

  /// What the other records have in a column.
  struct Column {
    var hasNumbers = false
    var hasWords = false
    /// Whether the first record's text is there again.
    var repeatsFirst = false
  }

  init(_ first: [(text: String, cell: TableCell)], columns: [Column]) {
    self.first = first
    self.columns = columns
  }

  /// Judges by the records after the first.
  init(
    _ first: [(text: String, cell: TableCell)],
    _ others: ArraySlice<[(text: String, cell: TableCell)]>
  ) {
    var columns = first.map { _ in Column() }
    for record in others {
      for index in first.indices.prefix(record.count) {
        switch record[index].cell {
        case .number: columns[index].hasNumbers = true
        case .word: columns[index].hasWords = true
        case .missing: break
        }
        if record[index].text == first[index].text { columns[index].repeatsFirst = true }
      }
    }
    self.init(first, columns: columns)
    isAlone = others.isEmpty
  }

  /// Whether the first record is a header: in a column it is text while all others are numbers; or
  /// its cells count up from 0, but for the last; or, in a table of words, none is there again.
  var isHeader: Bool {
    let isAboveNumbers = zip(first, columns).contains { cell, column in
      cell.cell.isWord && column.hasNumbers && !column.hasWords
    }
    if isAboveNumbers || countsUp { return true }
    if isAlone { return first.allSatisfy(\.cell.isWord) }
    let isOfWords =
      columns.contains(where: \.hasWords) && !columns.contains { $0.hasNumbers && !$0.hasWords }
    return isOfWords && first.dropFirst().allSatisfy(\.cell.isWord)
      && !columns.contains(where: \.repeatsFirst)
  }

  /// Whether the cells are 0, 1, 2 and so on as pandas names the columns of an array, but for the last;
  /// an index without a name may precede them.
  var countsUp: Bool {
    let names = first.first?.text.isEmpty == true ? first.dropFirst() : first[...]
    guard names.count >= 2, let last = names.last else { return false }
    let count = names.count - (names.count == 2 ? 0 : 1)
    return zip(names.prefix(count), 0...).allSatisfy { $0.text == "\($1)" }
      && (last.cell.isWord || last.text == "\(names.count - 1)" || names.count > 2)
  }
}

extension TableCell {
  var isWord: Bool {
    if case .word = self { return true }
    return false
  }
}

extension String {
  /// Without blanks at both ends.
  var trimmed: String {
    let isBlank = { (character: Character) in character == " " || character == "\t" }
    return String(drop(while: isBlank).reversed().drop(while: isBlank).reversed())
  }
}
