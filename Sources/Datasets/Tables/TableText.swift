// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// What separates the fields of a table's records.
public enum TableSeparator: String, Codable, CaseIterable, Sendable {
  case comma
  case semicolon
  case tab
  /// The vertical bar.
  case bar
  /// Runs of blanks and tabs.
  case blanks

  /// The separator of a name, or of the character itself.
  public init?(named text: String) {
    switch text {
    case ",": self = .comma
    case ";": self = .semicolon
    case "\t", "\\t": self = .tab
    case "|": self = .bar
    case " ": self = .blanks
    default:
      guard let known = Self(rawValue: text.lowercased()) else { return nil }
      self = known
    }
  }

  /// The byte between two fields; a blank stands for runs of blanks.
  var byte: UInt8 {
    switch self {
    case .comma: UInt8(ascii: ",")
    case .semicolon: UInt8(ascii: ";")
    case .tab: UInt8(ascii: "\t")
    case .bar: UInt8(ascii: "|")
    case .blanks: UInt8(ascii: " ")
    }
  }

  /// What a person calls it.
  public var name: String { self == .bar ? "vertical bar" : rawValue }
}

/// A field of a record: its bytes without quotes or blanks around them.
struct TableField {
  var start = 0
  var end = 0
  /// Whether quotes are doubled inside, as in `"a ""b"""`.
  var hasDoubledQuotes = false
}

/// Cuts a text into records and fields: RFC 4180, with any of the separators.
///
/// Fields may be quoted, with doubled quotes and line breaks inside; lines end in LF, CRLF or CR;
/// blank lines are skipped. Blanks around a field don't belong to it.
struct TableScanner {
  enum Outcome {
    case record
    /// The text ends before the record does; more of it may follow.
    case incomplete
    /// Nothing but blank lines is left.
    case end
    /// A quoted field is followed by text, or not closed at the end.
    case badQuotes
    /// The record has more fields than any table that could be trained on.
    case tooManyFields
  }

  let separator: TableSeparator
  /// The fields of the last record.
  private(set) var fields: [TableField] = []
  /// The line on which the last record starts, 1 for the first.
  private(set) var line = 1
  /// The line on which the next record starts.
  private(set) var nextLine = 1
  /// The place at which the last record starts, behind blank lines.
  private(set) var start = 0

  private static let mostFields = 1 << 20
  private static let quote = UInt8(ascii: "\"")
  private static let newline = UInt8(ascii: "\n")
  private static let carriageReturn = UInt8(ascii: "\r")
  private static let space = UInt8(ascii: " ")
  private static let tab = UInt8(ascii: "\t")

  init(_ separator: TableSeparator) {
    self.separator = separator
    fields.reserveCapacity(64)
  }

  /// Reads the record at `position`, and moves it behind the record.
  ///
  /// - Parameter isLast: whether the text ends with `bytes`.
  mutating func next(
    _ bytes: UnsafeBufferPointer<UInt8>, _ position: inout Int, isLast: Bool
  ) -> Outcome {
    guard let base = bytes.baseAddress else { return isLast ? .end : .incomplete }
    let count = bytes.count
    var here = position
    var newlines = nextLine
    skipBlankLines(base, count, &here, &newlines)
    guard here < count else {
      if isLast || here == position { (position, nextLine) = (here, newlines) }
      return isLast ? .end : .incomplete
    }
    (line, start) = (newlines, here)
    fields.removeAll(keepingCapacity: true)
    let separatorByte = separator.byte
    while true {
      guard fields.count < Self.mostFields else { return .tooManyFields }
      skipBlanks(base, count, &here, keepingTabs: separator == .tab)
      if here < count, base[here] == Self.quote {
        guard let field = quotedField(base, count, &here, &newlines) else {
          return isLast ? .badQuotes : .incomplete
        }
        fields.append(field)
        skipBlanks(base, count, &here, keepingTabs: separator == .tab)
      } else {
        let start = here
        if separator == .blanks {
          while here < count, base[here] != Self.space, base[here] != Self.tab,
            base[here] != Self.newline, base[here] != Self.carriageReturn
          { here += 1 }
        } else {
          while here < count, base[here] != separatorByte, base[here] != Self.newline,
            base[here] != Self.carriageReturn
          { here += 1 }
        }
        var end = here
        while end > start, base[end - 1] == Self.space || base[end - 1] == Self.tab { end -= 1 }
        fields.append(TableField(start: start, end: end))
      }
      guard here < count else {
        guard isLast else { return .incomplete }
        break
      }
      let byte = base[here]
      if byte == Self.newline || byte == Self.carriageReturn { break }
      if separator == .blanks {
        skipBlanks(base, count, &here, keepingTabs: false)
        guard here < count else {
          guard isLast else { return .incomplete }
          break
        }
        // Trailing blanks are no field.
        if base[here] == Self.newline || base[here] == Self.carriageReturn { break }
        continue
      }
      guard byte == separatorByte else { return .badQuotes }
      here += 1
    }
    // A CR at the very end may be half of a CRLF.
    if here < count, base[here] == Self.carriageReturn {
      guard here + 1 < count || isLast else { return .incomplete }
      here += 1
      if here < count, base[here] == Self.newline { here += 1 }
      newlines += 1
    } else if here < count {
      here += 1
      newlines += 1
    }
    (position, nextLine) = (here, newlines)
    return .record
  }

  private func skipBlankLines(
    _ base: UnsafePointer<UInt8>, _ count: Int, _ here: inout Int, _ newlines: inout Int
  ) {
    while here < count {
      var probe = here
      if separator != .tab { skipBlanks(base, count, &probe, keepingTabs: false) }
      guard probe < count, base[probe] == Self.newline || base[probe] == Self.carriageReturn else {
        // Blanks alone at the end of the text are a blank line, too.
        if probe == count, probe > here { here = probe }
        return
      }
      if base[probe] == Self.newline || probe + 1 == count || base[probe + 1] != Self.newline {
        newlines += 1
      }
      here = probe + 1
    }
  }

  private func skipBlanks(
    _ base: UnsafePointer<UInt8>, _ count: Int, _ here: inout Int, keepingTabs: Bool
  ) {
    while here < count, base[here] == Self.space || base[here] == Self.tab && !keepingTabs {
      here += 1
    }
  }

  private func quotedField(
    _ base: UnsafePointer<UInt8>, _ count: Int, _ here: inout Int, _ newlines: inout Int
  ) -> TableField? {
    var at = here + 1
    var field = TableField(start: at, end: at)
    var breaks = 0
    while at < count {
      let byte = base[at]
      if byte == Self.newline { breaks += 1 }
      if byte == Self.quote {
        guard at + 1 < count, base[at + 1] == Self.quote else { break }
        field.hasDoubledQuotes = true
        at += 1
      }
      at += 1
    }
    guard at < count else { return nil }
    field.end = at
    while field.start < field.end, base[field.start] == Self.space { field.start += 1 }
    while field.end > field.start, base[field.end - 1] == Self.space { field.end -= 1 }
    here = at + 1
    newlines += breaks
    return field
  }
}

// MARK: - Plain records

/// Where the cells of a column go while a table is read.
struct CellPlace {
  enum Kind: UInt8 {
    /// Nowhere.
    case skipped
    /// To a place in the row of features.
    case feature
    /// To a place in the row of targets.
    case target
    /// To a place among the words.
    case word
  }

  var kind = Kind.skipped
  var index = 0
}

extension TableScanner {
  /// Reads the record at `position` if its fields are decimal numbers, words in ASCII without quotes,
  /// or empty.
  ///
  /// Does in one pass over the bytes what ``next(_:_:isLast:)`` and ``TableCell`` do in several, for
  /// the records that make up most large tables.
  ///
  /// - Parameters:
  ///   - places: where the cell of each column goes.
  ///   - features: receives the bits of a Float32 per feature, ``MissingCell/bits`` for an empty cell.
  ///   - targets: receives a Float64 per target, NaN for an empty cell.
  ///   - words: receives the field of each word, empty ones too.
  /// - Returns: the number of empty cells among the numbers; nil, with nothing moved, for all other
  ///   records.
  @inline(__always)
  mutating func plain(
    _ bytes: UnsafeBufferPointer<UInt8>, _ position: inout Int,
    places: UnsafeBufferPointer<CellPlace>, features: UnsafeMutablePointer<UInt32>,
    targets: UnsafeMutablePointer<Double>, words: UnsafeMutablePointer<TableField>
  ) -> Int? {
    guard separator != .blanks, let base = bytes.baseAddress else { return nil }
    var emptyCells = 0
    let powers = DecimalNumber.powerTable
    let (count, width, separatorByte) = (bytes.count, places.count, separator.byte)
    var here = position
    for column in 0..<width {
      while here < count, base[here] == Self.space { here += 1 }
      let start = here
      let place = places[column]
      var value = 0.0
      var isExact = true
      var isEmpty = false
      if place.kind == .skipped || place.kind == .word {
        guard here < count, base[here] != Self.quote else { return nil }
        var high: UInt8 = 0
        while here < count, base[here] != separatorByte, base[here] != Self.newline {
          high |= base[here]
          here += 1
        }
        guard high < 0x80 else { return nil }
        if here > start, base[here - 1] == Self.carriageReturn { here -= 1 }
        if place.kind == .word {
          var end = here
          while end > start, base[end - 1] == Self.space || base[end - 1] == Self.tab { end -= 1 }
          words[place.index] = TableField(start: start, end: end)
        }
      } else if let number = DecimalNumber.short(base, &here, count, powers) {
        (value, isExact) = number
      } else if let number = DecimalNumber.prefix(base, &here, count) {
        (value, isExact) = number
      } else {
        guard here == start else { return nil }
        isEmpty = true
      }
      let end = here
      while here < count, base[here] == Self.space { here += 1 }
      guard here < count else { return nil }
      if column == width - 1 {
        if base[here] == Self.carriageReturn { here += 1 }
        guard here < count, base[here] == Self.newline else { return nil }
      } else {
        guard base[here] == separatorByte else { return nil }
      }
      here += 1
      if isEmpty {
        // A line without anything is no record.
        guard width > 1 else { return nil }
        emptyCells += 1
        if place.kind == .feature { features[place.index] = MissingCell.bits }
        if place.kind == .target { targets[place.index] = .nan }
      } else if place.kind == .feature {
        features[place.index] =
          DecimalNumber.float(value, isExact: isExact, base + start, end - start).bitPattern
      } else if place.kind == .target {
        targets[place.index] =
          isExact ? value : DecimalNumber.slow(base + start, end - start) ?? value
      }
    }
    position = here
    (line, nextLine) = (nextLine, nextLine + 1)
    return emptyCells
  }
}
