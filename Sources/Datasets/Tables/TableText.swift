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

  var isEmpty: Bool { start == end }
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

  private static let quote = UInt8(ascii: "\"")
  private static let newline = UInt8(ascii: "\n")
  private static let carriageReturn = UInt8(ascii: "\r")
  private static let space = UInt8(ascii: " ")
  private static let tab = UInt8(ascii: "\t")

  init(_ separator: TableSeparator, line: Int = 1) {
    self.separator = separator
    nextLine = line
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

// MARK: - Records of plain numbers

/// Where the cells of a column go while a table is read.
enum CellPlace {
  /// Nowhere.
  case skipped
  /// To a place in the row of features.
  case feature(Int)
  /// To a place in the row of targets.
  case target(Int)
}

extension TableScanner {
  /// Reads the record at `position` if all its fields are plain decimal numbers or empty.
  ///
  /// Does in one pass over the bytes what ``next(_:_:isLast:)`` and ``TableCell`` do in several, for
  /// the records that make up most large tables.
  ///
  /// - Parameters:
  ///   - places: where the cell of each column goes.
  ///   - features: receives the bits of a Float32 per feature, ``MissingCell/bits`` for an empty cell.
  ///   - targets: receives a Float64 per target, NaN for an empty cell.
  /// - Returns: the number of empty cells that go somewhere; nil, with nothing moved, for all other
  ///   records.
  @inline(__always)
  mutating func numbers(
    _ bytes: UnsafeBufferPointer<UInt8>, _ position: inout Int,
    places: UnsafeBufferPointer<CellPlace>, features: UnsafeMutablePointer<UInt32>,
    targets: UnsafeMutablePointer<Double>
  ) -> Int? {
    guard separator != .blanks, let base = bytes.baseAddress else { return nil }
    var emptyCells = 0
    let (count, width, separatorByte) = (bytes.count, places.count, separator.byte)
    var here = position
    for column in 0..<width {
      while here < count, base[here] == Self.space { here += 1 }
      let start = here
      var value = 0.0
      var isExact = true
      var isEmpty = false
      if case .skipped = places[column] {
        guard here < count, base[here] != Self.quote else { return nil }
        while here < count, base[here] != separatorByte, base[here] != Self.newline { here += 1 }
        if here > start, base[here - 1] == Self.carriageReturn { here -= 1 }
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
      // A line without anything is no record.
      if isEmpty, width == 1 { return nil }
      switch places[column] {
      case .skipped: break
      case .feature(let place):
        if isEmpty { emptyCells += 1 }
        features[place] =
          isEmpty
          ? MissingCell.bits
          : DecimalNumber.float(value, isExact: isExact, base + start, end - start).bitPattern
      case .target(let place):
        if isEmpty { emptyCells += 1 }
        targets[place] =
          isEmpty
          ? .nan : isExact ? value : DecimalNumber.slow(base + start, end - start) ?? value
      }
    }
    position = here
    (line, nextLine) = (nextLine, nextLine + 1)
    return emptyCells
  }
}

/// How a missing cell of a feature is kept until it is filled in.
enum MissingCell {
  /// The bits of a Float32 that no cell's number has, and a code that no word has.
  static let bits: UInt32 = .max
}

/// What the text of one field says.
enum TableCell {
  case number(Double)
  case missing
  case word

  /// Whether a text stands for a missing value: empty, `NA`, `N/A`, `n/a`, `NaN`, `nan`, `null`,
  /// `NULL`, `None` or `?`.
  static func isMissing(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    func equals(_ marker: StaticString) -> Bool {
      text.elementsEqual(
        UnsafeBufferPointer(start: marker.utf8Start, count: marker.utf8CodeUnitCount))
    }
    return switch text.count {
    case 0: true
    case 1: text[0] == UInt8(ascii: "?")
    case 2: equals("NA")
    case 3: equals("NaN") || equals("nan") || equals("N/A") || equals("n/a")
    case 4: equals("null") || equals("NULL") || equals("None")
    default: false
    }
  }

  /// Reads a field.
  ///
  /// Numbers have a decimal point, an exponent and a sign; `True` and `False`, in small and in
  /// capital letters too, are 1 and 0. Infinities are words.
  init(_ base: UnsafePointer<UInt8>, _ field: TableField) {
    let count = field.end - field.start
    guard count > 0 else {
      self = .missing
      return
    }
    if field.hasDoubledQuotes {
      self = .word
      return
    }
    if let number = DecimalNumber.parse(base + field.start, count) {
      self = .number(number)
      return
    }
    let text = UnsafeBufferPointer(start: base + field.start, count: count)
    if Self.isMissing(text) {
      self = .missing
      return
    }
    switch count <= 5 ? String(decoding: text, as: UTF8.self) : "" {
    case "True", "true", "TRUE": self = .number(1)
    case "False", "false", "FALSE": self = .number(0)
    default: self = .word
    }
  }

  /// Reads a text.
  init(_ text: String) {
    var text = text
    self = text.withUTF8 { bytes in
      guard let base = bytes.baseAddress else { return .missing }
      return TableCell(base, TableField(start: 0, end: bytes.count))
    }
  }

  /// Whether a text is a number.
  static func isNumber(_ text: String) -> Bool {
    if case .number = TableCell(text) { return true }
    return false
  }

  /// Whether a text is a date, with or without a time: `2024-03-01`, `01.03.2024 10:00`, `3/1/24`.
  static func isDate(_ text: String) -> Bool {
    var rest = Substring(text).utf8
    func digits() -> Int {
      let count = rest.prefix { $0 &- 48 < 10 }.count
      rest = rest.dropFirst(count)
      return count
    }
    let first = digits()
    guard first > 0, let mark = rest.popFirst(), "-/.".utf8.contains(mark) else { return false }
    guard (1...2).contains(digits()), rest.popFirst() == mark else { return false }
    let last = digits()
    guard first == 4 ? last == 1 || last == 2 : first <= 2 && (2...4).contains(last) else {
      return false
    }
    return rest.isEmpty || rest.first == UInt8(ascii: "T") || rest.first == UInt8(ascii: " ")
  }

  /// How a text that is no number looks like one in another notation; nil if it doesn't.
  static func foreignNumber(_ text: String) -> String? {
    // Columns of names have many texts, nearly all of which have letters.
    guard text.utf8.allSatisfy({ $0 &- 48 < 10 || $0 >= 0x80 || "+-.,% $".utf8.contains($0) })
    else { return nil }
    var rest = Substring(text)
    if rest.first == "-" || rest.first == "+" { rest = rest.dropFirst() }
    if let first = rest.first, currencies.contains(first) {
      rest = rest.dropFirst()
      if rest.first == " " { rest = rest.dropFirst() }
      if rest.first == "-" { rest = rest.dropFirst() }
      return startsWithDigit(rest) && isFigure(rest) ? "a currency sign" : nil
    }
    if let last = rest.last, last == "%" || currencies.contains(last) {
      rest = rest.dropLast()
      if rest.last == " " { rest = rest.dropLast() }
      guard isFigure(rest), last == "%" || startsWithDigit(rest) else { return nil }
      return last == "%" ? "a percent sign" : "a currency sign"
    }
    let halves = rest.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    if isGrouped(halves[0], by: ","), halves.count == 1 || areDigits(halves[1]) {
      return "a thousands separator"
    }
    let parts = rest.split(separator: ",", omittingEmptySubsequences: false)
    guard parts.count == 2, areDigits(parts[1]) else { return nil }
    if isGrouped(parts[0], by: ".") { return "a decimal comma and thousands separators" }
    return parts[0].isEmpty || areDigits(parts[0]) ? "a decimal comma" : nil
  }

  private static let currencies: Set<Character> = ["$", "€", "£", "¥"]

  private static func areDigits(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { $0 &- 48 < 10 }
  }

  private static func startsWithDigit(_ text: Substring) -> Bool { areDigits(text.prefix(1)) }

  /// Whether a text is of digits, points and commas.
  private static func isFigure(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { $0 &- 48 < 10 || ".,".utf8.contains($0) }
  }

  /// Whether digits are in groups of three, but for the first, at least two groups; `0,123` is none.
  private static func isGrouped(_ text: Substring, by separator: Character) -> Bool {
    let groups = text.split(separator: separator, omittingEmptySubsequences: false)
    return groups.count > 1 && groups[0].utf8.count <= 3 && !groups[0].hasPrefix("0")
      && groups.allSatisfy(areDigits)
      && groups.dropFirst().allSatisfy { $0.utf8.count == 3 }
  }
}

/// Reads decimal numbers fast, and exactly.
enum DecimalNumber {
  /// Powers of ten that a Float64 holds exactly.
  private static let powers: [Double] = (0...22).map { exponent in
    (0..<exponent).reduce(1.0) { product, _ in product * 10 }
  }

  /// The number that `count` bytes spell out, nil if they spell none.
  static func parse(_ start: UnsafePointer<UInt8>, _ count: Int) -> Double? {
    var end = 0
    guard let (value, isExact) = prefix(start, &end, count) else {
      // What has too many digits for the fast way, among others.
      guard let first = (0..<count).first(where: { start[$0] != 43 && start[$0] != 45 }),
        first <= 1, start[first] &- 48 < 10 || start[first] == UInt8(ascii: ".")
      else { return nil }
      return slow(start, count)
    }
    guard end == count else { return nil }
    return isExact ? value : slow(start, count)
  }

  /// The number that the bytes from `here` on begin with, and moves `here` behind it; nil, with `here`
  /// anywhere if it moved, where there is none, or one with more digits or a larger exponent than the
  /// fast way can take.
  ///
  /// A mantissa below 2^53 and a power of ten up to 22 are one multiplication or division, which is
  /// correctly rounded (W. Clinger, "How to Read Floating Point Numbers Accurately", PLDI 1990).
  /// Mantissas of up to 19 digits are rounded before that, so the result is off by less than 2 units
  /// in the last place: not exact.
  @inline(__always)
  static func prefix(
    _ base: UnsafePointer<UInt8>, _ here: inout Int, _ count: Int
  ) -> (value: Double, isExact: Bool)? {
    var at = here
    guard at < count else { return nil }
    let isNegative = base[at] == UInt8(ascii: "-")
    if isNegative || base[at] == UInt8(ascii: "+") { at += 1 }
    let first = at
    var mantissa: UInt64 = 0
    while at < count {
      let digit = base[at] &- 48
      guard digit < 10 else { break }
      mantissa = mantissa &* 10 &+ UInt64(digit)
      at += 1
    }
    var digits = at - first
    var exponent = 0
    if at < count, base[at] == UInt8(ascii: ".") {
      at += 1
      let point = at
      while at < count {
        let digit = base[at] &- 48
        guard digit < 10 else { break }
        mantissa = mantissa &* 10 &+ UInt64(digit)
        at += 1
      }
      exponent = point - at
      digits -= exponent
    }
    if digits == 0 {
      // A sign or a point alone.
      if at > here { here = at }
      return nil
    }
    if at < count, base[at] | 0x20 == UInt8(ascii: "e") {
      guard let power = exponentPart(base, &at, count) else {
        here = at
        return nil
      }
      exponent += power
    }
    here = at
    guard digits <= 19, exponent >= -22, exponent <= 18 else { return nil }
    let magnitude = Double(mantissa)
    let value = exponent < 0 ? magnitude / power(-exponent) : magnitude * power(exponent)
    return (isNegative ? -value : value, mantissa < 1 << 53)
  }

  @inline(__always)
  private static func power(_ exponent: Int) -> Double {
    powers.withUnsafeBufferPointer { $0[exponent] }
  }

  private static func exponentPart(
    _ base: UnsafePointer<UInt8>, _ at: inout Int, _ count: Int
  ) -> Int? {
    at += 1
    var isNegative = false
    if at < count, base[at] == UInt8(ascii: "-") || base[at] == UInt8(ascii: "+") {
      isNegative = base[at] == UInt8(ascii: "-")
      at += 1
    }
    let first = at
    var power = 0
    while at < count {
      let digit = base[at] &- 48
      guard digit < 10 else { break }
      power = min(power * 10 + Int(digit), 100_000)
      at += 1
    }
    guard at > first else { return nil }
    return isNegative ? -power : power
  }

  /// The number that all of the bytes spell out, by the system's library.
  static func slow(_ start: UnsafePointer<UInt8>, _ count: Int) -> Double? {
    let text = UnsafeBufferPointer(start: start, count: count)
    // The library reads hexadecimal numbers and words, too.
    guard
      text.allSatisfy({ $0 &- 48 < 10 || $0 == 43 || $0 == 45 || $0 == 46 || $0 | 0x20 == 0x65 })
    else { return nil }
    return Double(String(decoding: text, as: UTF8.self))
  }

  /// The Float32 that is nearest to the number that the bytes spell out.
  ///
  /// Rounding its Float64 once more is wrong only where that lies at, or if it is not exact near, the
  /// middle between two Float32; there the digits decide.
  @inline(__always)
  static func float(
    _ number: Double, isExact: Bool, _ start: UnsafePointer<UInt8>, _ count: Int
  ) -> Float {
    let distance = Int64(number.bitPattern & 0x1FFF_FFFF) - 0x1000_0000
    if abs(distance) > (isExact ? 0 : 4) && abs(number) > 1e-37 { return Float(number) }
    if number == 0 { return Float(number) }
    return nearest(start, count) ?? Float(number)
  }

  @inline(never)
  private static func nearest(_ start: UnsafePointer<UInt8>, _ count: Int) -> Float? {
    Float(String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self))
  }
}
