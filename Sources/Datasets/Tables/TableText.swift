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
    case "inf", "Inf", "INF", "+inf", "+Inf": self = .number(.infinity)
    case "-inf", "-Inf", "-INF": self = .number(-.infinity)
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

  /// Whether a text is `True` or `False`, in small or capital letters too.
  static func isBoolean(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    text.count >= 4 && text.count <= 5 && text[0] | 0x20 >= UInt8(ascii: "f")
      && ["true", "false"].contains(String(decoding: text, as: UTF8.self).lowercased())
  }
}

// MARK: - Texts that are nearly numbers

extension TableCell {
  /// The unit that follows a number, as in `3 kg`; nil if the text is something else.
  static func unit(_ text: String) -> String? {
    var rest = text.unicodeScalars[...]
    if let sign = rest.first, "+-".unicodeScalars.contains(sign) { rest = rest.dropFirst() }
    guard takeDigits(&rest) > 0 else { return nil }
    if rest.first == "." {
      rest = rest.dropFirst()
      guard takeDigits(&rest) > 0 else { return nil }
    }
    if rest.first == " " { rest = rest.dropFirst() }
    guard let first = rest.first, first.properties.isAlphabetic || first == "°" else { return nil }
    return String(rest)
  }

  /// Whether a text is a date, with or without a time: `2024-03-01`, `01.03.2024 10:00`, `3/1/24`.
  static func isDate(_ text: String) -> Bool {
    var rest = text.unicodeScalars[...]
    let first = takeDigits(&rest)
    guard [1, 2, 4].contains(first), let separator = rest.first,
      "-/.".unicodeScalars.contains(separator)
    else { return false }
    rest = rest.dropFirst()
    guard (1...2).contains(takeDigits(&rest)), rest.first == separator else { return false }
    rest = rest.dropFirst()
    guard (first == 4 ? 1...2 : 2...4).contains(takeDigits(&rest)) else { return false }
    return rest.first.map { "T ".unicodeScalars.contains($0) } ?? true
  }

  /// How a text that is no number looks like one in another notation; nil if it doesn't.
  static func foreignNumber(_ text: String) -> String? {
    var rest = text.unicodeScalars[...]
    if let sign = rest.first, "+-".unicodeScalars.contains(sign) { rest = rest.dropFirst() }
    let currencies = "$€£¥".unicodeScalars
    if rest.last == "%" { return isOfDigits(rest.dropLast()) ? "a percent sign" : nil }
    if let first = rest.first, currencies.contains(first) {
      return isOfDigits(rest.dropFirst()) ? "a currency sign" : nil
    }
    if let last = rest.last, currencies.contains(last) {
      return isOfDigits(rest.dropLast()) ? "a currency sign" : nil
    }
    return groupedNumber(rest)
  }

  /// How digits are grouped in a number; nil if the text is none, or has no groups.
  private static func groupedNumber(_ text: Substring.UnicodeScalarView) -> String? {
    var rest = text
    var lengths = [takeDigits(&rest)]
    var separators: [Unicode.Scalar] = []
    while let separator = rest.popFirst() {
      guard ",.'_ \u{A0}\u{202F}".unicodeScalars.contains(separator) else { return nil }
      separators.append(separator)
      lengths.append(takeDigits(&rest))
    }
    guard let first = separators.first, let last = separators.last, lengths[lengths.count - 1] > 0
    else { return nil }
    /// Whether the first `count` separators are all `first`, between groups of three digits.
    func areGroups(_ count: Int) -> Bool {
      count > 0 && (1...3).contains(lengths[0]) && text.first != "0"
        && lengths[1...count].allSatisfy { $0 == 3 }
        && separators.prefix(count).allSatisfy { $0 == first }
    }
    if first != ".", areGroups(separators.count) { return "a thousands separator" }
    if first != last, areGroups(separators.count - 1), last == "." || last == "," {
      return first == "." ? "a decimal comma and thousands separators" : "a thousands separator"
    }
    return separators == [","] ? "a decimal comma" : nil
  }

  /// Takes digits from the front of a text, and returns how many.
  private static func takeDigits(_ text: inout Substring.UnicodeScalarView) -> Int {
    let digits = text.prefix { ("0"..."9").contains($0) }
    text = text.dropFirst(digits.count)
    return digits.count
  }

  /// Whether a text has digits, and nothing else but points, commas, signs and blanks.
  private static func isOfDigits(_ text: Substring.UnicodeScalarView) -> Bool {
    text.contains { ("0"..."9").contains($0) }
      && text.allSatisfy { ("0"..."9").contains($0) || "., -".unicodeScalars.contains($0) }
  }
}

/// Reads decimal numbers fast, and exactly.
enum DecimalNumber {
  /// Powers of ten from 0 to 22, which a Float64 holds exactly.
  ///
  /// Never written to after it is made.
  nonisolated(unsafe) static let powerTable: UnsafePointer<Double> = {
    let powers = UnsafeMutablePointer<Double>.allocate(capacity: 23)
    for exponent in 0...22 {
      powers[exponent] = exponent == 0 ? 1 : powers[exponent - 1] * 10
    }
    return UnsafePointer(powers)
  }()

  /// The number that the bytes from `here` on begin with, and moves `here` behind it; nil, with nothing
  /// moved, if it has very many digits, or an exponent, or is near the end of the bytes.
  ///
  /// Digits are found and put together 8 at a time within a 64-bit word (D. Lemire, "Number Parsing at
  /// a Gigabyte per Second", Software: Practice and Experience 51, 2021), and the result is as exact
  /// as that of ``prefix(_:_:_:)``.
  @inline(__always)
  static func short(
    _ base: UnsafePointer<UInt8>, _ here: inout Int, _ count: Int,
    _ powers: UnsafePointer<Double>
  ) -> (value: Double, isExact: Bool)? {
    guard here + 40 <= count else { return nil }
    let isNegative = base[here] == UInt8(ascii: "-")
    var at = here + (isNegative ? 1 : 0)
    var (mantissa, digits) = digits8(base + at)
    guard digits < 8 else { return nil }
    at += digits
    var exponent = 0
    if base[at] == UInt8(ascii: ".") {
      at += 1
      // At most 7 digits and 16 more: those above 19 may not fit into the mantissa.
      for _ in 0..<3 {
        let (fraction, length) = digits8(base + at)
        mantissa = mantissa &* UInt64(powers[length]) &+ fraction
        exponent += length
        at += length
        if length < 8 { break }
      }
      digits += exponent
    }
    guard digits > 0, digits <= 19, exponent <= 22, base[at] | 0x20 != UInt8(ascii: "e"),
      base[at] &- 48 > 9
    else { return nil }
    here = at
    let value = Double(mantissa) / powers[exponent]
    return (isNegative ? -value : value, mantissa < 1 << 53)
  }

  /// The number of digits, at most 8, that the next 8 bytes begin with, and the integer that they are.
  @inline(__always)
  private static func digits8(_ start: UnsafePointer<UInt8>) -> (value: UInt64, count: Int) {
    let word = UnsafeRawPointer(start).loadUnaligned(as: UInt64.self).littleEndian
    var digits = word ^ 0x3030_3030_3030_3030
    let others =
      ((digits &+ 0x0606_0606_0606_0606) | digits) & 0xF0F0_F0F0_F0F0_F0F0
    let count = others.trailingZeroBitCount >> 3
    guard count > 0 else { return (0, 0) }
    // The digits move to the end, behind zeros.
    digits = digits &<< UInt64(64 - 8 * count)
    digits = digits &* 10 &+ digits &>> 8
    let low = (digits & 0x0000_00FF_0000_00FF) &* 0x000F_4240_0000_0064
    let high = (digits &>> 16 & 0x0000_00FF_0000_00FF) &* 0x0000_2710_0000_0001
    return ((low &+ high) &>> 32, count)
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
    let value =
      exponent < 0 ? magnitude / powerTable[-exponent] : magnitude * powerTable[exponent]
    return (isNegative ? -value : value, mantissa < 1 << 53)
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
