// SPDX-License-Identifier: Apache-2.0

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
