// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import NeuralCore

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
  /// The distinct texts where words are read.
  var levels: [String: Cells] = [:]

  /// Adds the tally of the part of the rows that follows.
  mutating func add(_ more: ColumnTally, linesBefore: Int) {
    missing.add(more.missing, linesBefore: linesBefore)
    words.add(more.words, linesBefore: linesBefore)
    infinite.add(more.infinite, linesBefore: linesBefore)
    for (text, cells) in more.levels {
      levels[text, default: Cells()].add(cells, linesBefore: linesBefore)
    }
  }
}

/// Distinct words, each with a code: 0 for the first, 1 for the second and so on.
struct WordTable {
  private var bytes: [UInt8] = []
  private var ends: [Int] = [0]
  /// Open addressing: the code of the word in each place, plus 1; 0 in free places.
  private var places = [UInt32](repeating: 0, count: 16)

  /// The number of words.
  var count: Int { ends.count - 1 }

  /// The text of a word.
  func text(_ code: Int) -> String {
    String(decoding: bytes[ends[code]..<ends[code + 1]], as: UTF8.self)
  }

  /// The code of a word, which is added if it is new.
  mutating func code(of word: UnsafeBufferPointer<UInt8>) -> Int {
    var place = hash(word) & (places.count - 1)
    while places[place] != 0 {
      let code = Int(places[place]) - 1
      if isWord(code, word) { return code }
      place = (place + 1) & (places.count - 1)
    }
    bytes.append(contentsOf: word)
    ends.append(bytes.count)
    places[place] = UInt32(count)
    if count * 2 > places.count { grow() }
    return count - 1
  }

  private func isWord(_ code: Int, _ word: UnsafeBufferPointer<UInt8>) -> Bool {
    let start = ends[code]
    guard ends[code + 1] - start == word.count else { return false }
    return bytes.withUnsafeBufferPointer { bytes in
      (0..<word.count).allSatisfy { bytes[start + $0] == word[$0] }
    }
  }

  /// FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv).
  private func hash(_ word: UnsafeBufferPointer<UInt8>) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in word { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return Int(truncatingIfNeeded: hash ^ hash >> 32)
  }

  private mutating func grow() {
    places = [UInt32](repeating: 0, count: places.count * 2)
    bytes.withUnsafeBufferPointer { bytes in
      for code in 0..<count {
        let word = UnsafeBufferPointer(rebasing: bytes[ends[code]..<ends[code + 1]])
        var place = hash(word) & (places.count - 1)
        while places[place] != 0 { place = (place + 1) & (places.count - 1) }
        places[place] = UInt32(code + 1)
      }
    }
  }
}

/// Rows as they were read: a Float32 or the code of a word per feature, a Float64 or a code per target.
final class RowBlock {
  static let bytes = 4 << 20

  let capacity: Int
  let features: UnsafeMutablePointer<UInt32>
  let targets: UnsafeMutablePointer<Double>
  var rows = 0

  init(features width: Int, targets count: Int) {
    capacity = max(Self.bytes / (4 * max(width, 1) + 8 * count), 16)
    features = .allocate(capacity: max(capacity * width, 1))
    targets = .allocate(capacity: max(capacity * count, 1))
  }

  deinit {
    features.deallocate()
    targets.deallocate()
  }
}

/// The rows of a part of a table, read into memory as they are.
final class TablePart {
  let layout: TableLayout
  /// The columns that have a place in the blocks' features, in order.
  let features: [Int]
  /// The words of each column that has some.
  private(set) var words: [WordTable]
  /// What was found in each column.
  private(set) var tallies: [ColumnTally]
  /// The number of rows kept.
  private(set) var rows = 0
  /// The number of rows left out, since a feature's cell is missing.
  private(set) var dropped = 0
  /// The number of lines of the part.
  private(set) var lines = 0
  /// Whether quotes were met where it isn't known whether the text before them is quoted, or records
  /// may start where no part begins.
  private(set) var hasAmbiguousQuotes = false
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
  /// The line of each distinct word's first cell, and how many there are.
  private var wordCells: [[ColumnTally.Cells]]
  private let dropsMissing: Bool

  /// Reads records to the end of what `records` are limited to.
  init(
    _ records: TableRecords, _ layout: TableLayout, dropsMissing: Bool
  ) throws(DatasetError) {
    self.layout = layout
    self.dropsMissing = dropsMissing
    features = layout.uses.indices.filter { [.number, .word].contains(layout.uses[$0]) }
    var places = [CellPlace](repeating: .skipped, count: layout.width)
    for (place, column) in features.enumerated() { places[column] = .feature(place) }
    for (place, column) in layout.targets.enumerated() { places[column] = .target(place) }
    self.places = places
    words = Array(repeating: WordTable(), count: layout.width)
    wordCells = Array(repeating: [], count: layout.width)
    tallies = Array(repeating: ColumnTally(), count: layout.width)
    try read(records)
    lines = records.lines
    hasAmbiguousQuotes = records.hasAmbiguousQuotes || records.hasAmbiguousLineEnds
    for column in layout.uses.indices {
      let (table, cells) = (words[column], wordCells[column])
      for code in cells.indices { tallies[column].levels[table.text(code)] = cells[code] }
    }
    wordCells = []
  }

  /// Hands over a block, whose memory is free once nobody holds it.
  func takeBlock(_ index: Int) -> RowBlock? {
    defer { blocks[index] = nil }
    return blocks[index]
  }

  private func read(_ records: TableRecords) throws(DatasetError) {
    let (featureCount, targetCount) = (features.count, layout.targets.count)
    let isNumeric = layout.uses.allSatisfy { $0 != .word && $0 != .targetWord }
    let firstPlace: CellPlace = places[0]
    var block = RowBlock(features: featureCount, targets: targetCount)
    var countsUp = true
    try places.withUnsafeBufferPointer { places throws(DatasetError) in
      while true {
        if block.rows == block.capacity {
          blocks.append(block)
          block = RowBlock(features: featureCount, targets: targetCount)
        }
        let features = block.features + block.rows * featureCount
        let targets = block.targets + block.rows * targetCount
        var hasMissing = false
        if isNumeric,
          let empty = records.nextNumbers(places: places, features: features, targets: targets)
        {
          hasMissing = empty > 0 && countEmpty(features, targets, line: records.line)
        } else {
          guard try records.next() else { break }
          hasMissing = try readCells(records, features, targets)
        }
        if countsUp, case .feature(0) = firstPlace {
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
    for (place, column) in self.features.enumerated() where features[place] == MissingCell.bits {
      tallies[column].missing.add(line: line)
      hasMissing = true
    }
    for (place, column) in layout.targets.enumerated() where targets[place].isNaN {
      tallies[column].missing.add(line: line)
    }
    return hasMissing
  }

  /// Whether the first column still counts up by 1 with this number.
  private func count(_ number: Double, _ bits: UInt32) -> Bool {
    guard bits != MissingCell.bits, layout.uses[0] == .number else { return false }
    guard var counting else {
      self.counting = Counting(first: number, last: number)
      return number == number.rounded()
    }
    // Beyond 2^24, Float32 no longer counts by 1.
    guard number == counting.last + 1 || number == Double(Float(counting.last + 1)) else { return false }
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
      switch places[column] {
      case .skipped: continue
      case .feature(let place):
        let bits =
          layout.uses[column] == .word
          ? word(records, column).map { UInt32(truncatingIfNeeded: $0) }
          : number(records, column)
        features[place] = bits ?? MissingCell.bits
        if bits == nil { hasMissing = true }
      case .target(let place):
        targets[place] =
          (layout.uses[column] == .targetWord
            ? word(records, column).map { Double($0) } : target(records, column)) ?? .nan
      }
    }
    return hasMissing
  }

  private func word(_ records: TableRecords, _ column: Int) -> Int? {
    let field = records.fields[column]
    let bytes = records.bytes(field)
    if TableCell.isMissing(bytes) {
      tallies[column].missing.add(line: records.line)
      return nil
    }
    let code: Int
    if field.hasDoubledQuotes {
      var text = records.text(field)
      code = text.withUTF8 { words[column].code(of: $0) }
    } else {
      code = words[column].code(of: bytes)
    }
    if code == wordCells[column].count { wordCells[column].append(ColumnTally.Cells()) }
    wordCells[column][code].add(line: records.line)
    return code
  }

  /// The bits of a feature's number.
  private func number(_ records: TableRecords, _ column: Int) -> UInt32? {
    guard let number = cell(records, column) else { return nil }
    let field = records.fields[column]
    // Words are 1 and 0, too.
    let float =
      number == 0 || number == 1
      ? Float(number)
      : DecimalNumber.float(
        number, isExact: true, records.base + field.start, field.end - field.start)
    guard float.isFinite else {
      tallies[column].infinite.add(line: records.line, records.text(field))
      return nil
    }
    return float.bitPattern
  }

  private func target(_ records: TableRecords, _ column: Int) -> Double? {
    guard let number = cell(records, column) else { return nil }
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
