// SPDX-License-Identifier: Apache-2.0
internal import Machine

/// What was found in the cells of a column; of a part of the rows, or of all.
struct ColumnTally: Codable, Hashable {
  /// Some cells of a kind: how many, and the line and text of the first.
  struct Cells: Codable, Hashable {
    var count = 0
    var firstLine = 0
    var example = ""

    mutating func add(line: Int, _ example: @autoclosure () -> String = "") {
      if count == 0 { (firstLine, self.example) = (line, example()) }
      count += 1
    }

    /// Adds those of the part of the rows that follows, whose lines are counted from its start.
    mutating func add(_ more: Cells, linesBefore: Int) {
      if count == 0, more.count > 0 {
        (firstLine, example) = (more.firstLine + linesBefore, more.example)
      }
      count += more.count
    }
  }

  /// Cells without a value.
  var missing = Cells()
  /// Words where numbers are read.
  var words = Cells()
  /// Numbers that no Float32 can hold.
  var infinite = Cells()
  /// Numbers below 0; of weights only.
  var negative = Cells()
  /// The number of cells that are `True` or `False`; of targets only.
  var booleans = 0
  /// The distinct texts where words are read; the first of them if ``hasTooManyLevels``.
  var levels: [String: Cells] = [:]
  /// The number of distinct texts from which on they are too many; nil if they never are.
  var levelLimit: Int?
  /// Whether the distinct texts are too many for categories.
  var hasTooManyLevels = false

  /// Adds the tally of the part of the rows that follows.
  mutating func add(_ more: ColumnTally, linesBefore: Int) {
    missing.add(more.missing, linesBefore: linesBefore)
    words.add(more.words, linesBefore: linesBefore)
    infinite.add(more.infinite, linesBefore: linesBefore)
    negative.add(more.negative, linesBefore: linesBefore)
    booleans += more.booleans
    hasTooManyLevels = hasTooManyLevels || more.hasTooManyLevels
    for (text, cells) in more.levels {
      levels[text, default: Cells()].add(cells, linesBefore: linesBefore)
    }
  }

  /// Keeps no more than the first of too many levels, as examples: the same however the rows are
  /// divided into parts.
  mutating func trimLevels() {
    guard let levelLimit, hasTooManyLevels || levels.count > levelLimit else { return }
    hasTooManyLevels = true
    let first = levels.sorted { $0.value.firstLine < $1.value.firstLine }.prefix(Self.examples)
    levels = Dictionary(
      uniqueKeysWithValues: first.map { ($0.key, Cells(count: 1, firstLine: $0.value.firstLine)) })
  }

  static let examples = 100
}

/// The rows of a part of a table, read into memory as they are.
final class TablePart {
  let layout: TableLayout
  /// The columns that have a place in the blocks' features, in order; that of weights is one of them.
  let features: [Int]
  /// The words of each column that has some.
  let words: [WordTable]
  /// What was found in each column.
  private(set) var tallies: [ColumnTally]
  /// The number of rows kept.
  private(set) var rows = 0
  /// The number of rows left out, since a feature's cell is missing.
  private(set) var dropped = 0
  /// The number of lines of the part.
  private(set) var lines = 0
  /// Whether quotes were met where it isn't known whether the text before them is quoted, or records
  /// may start where no part does.
  private(set) var isAmbiguous = false
  /// Whether the first column's numbers count up by 1, and the first and the last of them.
  private(set) var counting: Counting?
  /// The rows; nil for blocks that were taken.
  private(set) var blocks: [RowBlock?] = []

  /// Numbers that count up by 1.
  struct Counting: Codable, Hashable {
    var first: Double
    var last: Double

    /// Whether `next` follows on these.
    func isFollowed(by next: Counting) -> Bool { next.first == last + 1 }
  }

  private let places: [CellPlace]
  /// The columns with words, in order.
  private let wordColumns: [Int]
  /// The place of each column in the row of features or targets.
  private let rowPlaces: [Int]
  private let dropsMissing: Bool

  /// Reads records to the end of what `records` are limited to.
  init(
    _ records: TableRecords, _ layout: TableLayout, dropsMissing: Bool
  ) throws(DatasetError) {
    self.layout = layout
    self.dropsMissing = dropsMissing
    features = layout.uses.indices.filter { [.number, .word, .weight].contains(layout.uses[$0]) }
    var places = [CellPlace](repeating: CellPlace(), count: layout.width)
    for (place, column) in features.enumerated() {
      places[column] = CellPlace(kind: .feature, index: place)
    }
    for (place, column) in layout.targets.enumerated() {
      places[column] = CellPlace(kind: .target, index: place)
    }
    wordColumns = layout.uses.indices.filter { [.word, .targetWord].contains(layout.uses[$0]) }
    for (index, column) in wordColumns.enumerated() {
      places[column] = CellPlace(kind: .word, index: index)
    }
    var rowPlaces = [Int](repeating: 0, count: layout.width)
    for (place, column) in features.enumerated() { rowPlaces[column] = place }
    for (place, column) in layout.targets.enumerated() { rowPlaces[column] = place }
    self.rowPlaces = rowPlaces
    self.places = places
    words = (0..<layout.width).map {
      WordTable(limit: layout.categorical.contains($0) ? .max : WordTable.limit)
    }
    tallies = Array(repeating: ColumnTally(), count: layout.width)
    try read(records)
    lines = records.lines
    isAmbiguous = records.hasAmbiguousQuotes || records.hasAmbiguousLineEnds
    for column in wordColumns {
      tallies[column].levels = words[column].tallies
      tallies[column].hasTooManyLevels = words[column].isFull
      if !layout.categorical.contains(column) { tallies[column].levelLimit = WordTable.limit }
    }
  }

  /// The bytes of all rows in memory.
  var byteCount: Int {
    rows
      * (features.count * MemoryLayout<UInt32>.stride
        + layout.targets.count * MemoryLayout<Double>.stride)
  }

  /// Hands over a block, whose memory is free once nobody holds it.
  func takeBlock(_ index: Int) -> RowBlock? {
    defer { blocks[index] = nil }
    return blocks[index]
  }

  private func read(_ records: TableRecords) throws(DatasetError) {
    let (featureCount, targetCount) = (features.count, layout.targets.count)
    let words = UnsafeMutablePointer<TableField>.allocate(capacity: max(wordColumns.count, 1))
    defer { words.deallocate() }
    let countsFirst = layout.uses[0] == .number
    var block = try RowBlock(features: featureCount, targets: targetCount, path: layout.path)
    var countsUp = countsFirst
    try places.withUnsafeBufferPointer { places throws(DatasetError) in
      while true {
        if block.rows == block.capacity {
          blocks.append(block)
          block = try RowBlock(
            features: featureCount, targets: targetCount, path: layout.path)
        }
        let features = block.features + block.rows * featureCount
        let targets = block.targets + block.rows * targetCount
        var hasMissing = false
        if let empty = records.nextPlain(
          places: places, features: features, targets: targets, words: words)
        {
          for (index, column) in wordColumns.enumerated() {
            setWord(column, word(records, column, words[index]), features, targets, &hasMissing)
          }
          if empty > 0, countEmpty(features, targets, line: records.line) { hasMissing = true }
        } else {
          guard try records.next() else { break }
          hasMissing = try readCells(records, features, targets)
        }
        if let weights = layout.weights {
          checkWeight(Float(bitPattern: features[rowPlaces[weights]]), weights, records.line)
        }
        if countsUp {
          countsUp = count(Double(Float(bitPattern: features[0])), features[0])
        }
        if hasMissing && dropsMissing {
          dropped += 1
        } else {
          block.rows += 1
          rows += 1
        }
      }
    }
    if !countsUp { counting = nil }
    blocks.append(block)
  }

  /// Counts the empty cells of a row that was read as plain numbers.
  ///
  /// - Returns: whether a feature's cell is among them.
  private func countEmpty(
    _ features: UnsafeMutablePointer<UInt32>, _ targets: UnsafeMutablePointer<Double>, line: Int
  ) -> Bool {
    var hasMissing = false
    for (place, column) in self.features.enumerated()
    where features[place] == MissingCell.bits && layout.uses[column] != .word {
      tallies[column].missing.add(line: line)
      if layout.uses[column] == .number { hasMissing = true }
    }
    for (place, column) in layout.targets.enumerated()
    where targets[place].isNaN && layout.uses[column] == .target {
      tallies[column].missing.add(line: line)
    }
    return hasMissing
  }

  /// Counts a weight that is below 0.
  private func checkWeight(_ weight: Float, _ column: Int, _ line: Int) {
    if weight < 0 { tallies[column].negative.add(line: line, "\(weight)") }
  }

  /// Keeps the code of a word, or that it is missing.
  private func setWord(
    _ column: Int, _ code: Int?, _ features: UnsafeMutablePointer<UInt32>,
    _ targets: UnsafeMutablePointer<Double>, _ hasMissing: inout Bool
  ) {
    let place = rowPlaces[column]
    if layout.uses[column] == .targetWord {
      targets[place] = code.map { Double($0) } ?? .nan
    } else {
      features[place] = code.map { UInt32(truncatingIfNeeded: $0) } ?? MissingCell.bits
      if code == nil { hasMissing = true }
    }
  }

  /// Whether the first column still counts up by 1 with this number.
  private func count(_ number: Double, _ bits: UInt32) -> Bool {
    guard bits != MissingCell.bits else { return false }
    guard var counting else {
      self.counting = Counting(first: number, last: number)
      return number == number.rounded()
    }
    // Beyond 2^24, Float32 no longer counts by 1.
    guard number == counting.last + 1 || number == Double(Float(counting.last + 1)) else {
      return false
    }
    counting.last += 1
    self.counting = counting
    return true
  }

  /// Reads the cells of a record one by one.
  ///
  /// - Returns: whether a feature's cell is missing.
  private func readCells(
    _ records: TableRecords, _ features: UnsafeMutablePointer<UInt32>,
    _ targets: UnsafeMutablePointer<Double>
  ) throws(DatasetError) -> Bool {
    guard records.fields.count == layout.width else {
      throw TableRecords.unevenRecord(
        layout.path, line: records.line, fields: records.fields.count, expected: layout.width,
        layout.separator)
    }
    var hasMissing = false
    for column in 0..<layout.width {
      let place = places[column].index
      switch places[column].kind {
      case .skipped: continue
      case .feature:
        let bits = number(records, column)
        features[place] = bits ?? MissingCell.bits
        if bits == nil, layout.uses[column] == .number { hasMissing = true }
      case .target: targets[place] = target(records, column) ?? .nan
      case .word:
        setWord(
          column, word(records, column, records.fields[column]), features, targets, &hasMissing)
      }
    }
    return hasMissing
  }

  /// The code of a word; nil if it is missing.
  private func word(_ records: TableRecords, _ column: Int, _ field: TableField) -> Int? {
    let bytes = records.bytes(field)
    if TableCell.isMissing(bytes) {
      tallies[column].missing.add(line: records.line)
      return nil
    }
    guard field.hasDoubledQuotes else { return words[column].add(bytes, line: records.line) }
    var text = records.text(field)
    return text.withUTF8 { words[column].add($0, line: records.line) }
  }

  /// The bits of a feature's number.
  private func number(_ records: TableRecords, _ column: Int) -> UInt32? {
    guard let number = cell(records, column) else { return nil }
    let field = records.fields[column]
    let float = records.float(number, field)
    guard float.isFinite else {
      tallies[column].infinite.add(line: records.line, records.text(field))
      return nil
    }
    return float.bitPattern
  }

  private func target(_ records: TableRecords, _ column: Int) -> Double? {
    guard let number = cell(records, column) else { return nil }
    if number == 0 || number == 1, TableCell.isBoolean(records.bytes(records.fields[column])) {
      tallies[column].booleans += 1
    }
    guard Float(number).isFinite else {
      tallies[column].infinite.add(line: records.line, records.text(records.fields[column]))
      return nil
    }
    return number
  }

  private func cell(_ records: TableRecords, _ column: Int) -> Double? {
    switch TableCell(records.base, records.fields[column]) {
    case .number(let number): return number
    case .missing: tallies[column].missing.add(line: records.line)
    case .word:
      tallies[column].words.add(line: records.line, records.text(records.fields[column]))
    }
    return nil
  }
}
