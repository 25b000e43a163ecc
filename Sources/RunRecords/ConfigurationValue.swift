// SPDX-License-Identifier: Apache-2.0

/// The value of an option in a configuration file, before its type is known.
package enum ConfigurationValue: Equatable, Sendable {
  /// `null`, `~`, or an empty value.
  case none
  /// A word or number without quotes.
  case plain(String)
  /// A text in quotes.
  case quoted(String)
  /// A flow or block sequence of scalars.
  case list([ConfigurationValue])
  /// A mapping of scalars to scalars.
  case mapping([MappingEntry])
  /// What no option accepts: lists and mappings within others.
  case other

  /// A key of a mapping with its value.
  package struct MappingEntry: Equatable, Sendable {
    package let key: String
    package let value: ConfigurationValue

    package init(key: String, value: ConfigurationValue) {
      (self.key, self.value) = (key, value)
    }
  }
}

extension ConfigurationValue {
  /// The text of a scalar, with or without quotes.
  package var text: String? {
    switch self {
    case .plain(let text), .quoted(let text): text
    case .none, .list, .mapping, .other: nil
    }
  }

  /// The value as it is written on the command line; nil for `none`.
  package var commandLineText: String? {
    switch self {
    case .plain(let text), .quoted(let text): text
    case .list(let values): values.compactMap(\.commandLineText).joined(separator: ",")
    case .none, .mapping, .other: nil
    }
  }

  /// The numbers that the value holds.
  package var numbers: [Double] {
    switch self {
    case .plain(let text): Double(text).map { [$0] } ?? []
    case .list(let values): values.flatMap(\.numbers)
    case .none, .quoted, .mapping, .other: []
    }
  }

  /// How an error message shows the value: on one line and cut to a reasonable length.
  package var shown: String {
    switch self {
    case .none: "nothing"
    case .plain(let text), .quoted(let text): "\"\(Self.oneLine(text))\""
    case .list: "a list"
    case .mapping, .other: "a mapping or nested list"
    }
  }

  package static func oneLine(_ text: String) -> String {
    String(
      text.unicodeScalars.prefix(60).map {
        $0.properties.generalCategory == .control ? "?" : Character($0)
      })
  }
}

// MARK: - YAML text

extension ConfigurationValue {
  /// The value as YAML text on one line.
  package var yaml: String {
    switch self {
    case .none, .mapping, .other: "null"
    case .plain(let text): text
    case .quoted(let text): Self.isPlain(text) ? text : Self.quotedText(text)
    case .list(let values): "[" + values.map(\.yaml).joined(separator: ", ") + "]"
    }
  }

  /// Words that YAML 1.1 or 1.2 may read as something other than text.
  private static let reserved: Set = ["true", "false", "yes", "no", "on", "y", "n", "null"]

  /// Whether a text needs no quotes: it starts with a letter or `/` and has no special characters.
  private static func isPlain(_ text: String) -> Bool {
    guard let first = text.utf8.first, !reserved.contains(text.lowercased()) else { return false }
    let isLetter = { (byte: UInt8) in (0x61...0x7A).contains(byte | 0x20) }
    return (isLetter(first) || first == UInt8(ascii: "/"))
      && text.utf8.allSatisfy { byte in
        isLetter(byte) || (0x30...0x39).contains(byte) || "-_./".utf8.contains(byte)
      }
  }

  /// A text in double quotes (YAML 1.2, section 7.3.1) with everything unusual escaped.
  ///
  /// That includes `&` and `*`, which ``ConfigurationFile`` accepts in no other form.
  private static func quotedText(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case " "..."~" where scalar != "&" && scalar != "*": result.unicodeScalars.append(scalar)
      default:
        let digits = String(scalar.value, radix: 16, uppercase: true)
        result += "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
      }
    }
    return result + "\""
  }
}

// MARK: - Types of options

/// A type that an option can have.
package protocol OptionValue: Sendable {
  /// What a value must be, as in "expected an integer".
  static var expectation: String { get }
  /// What a value must be on the command line, where there is no `null`.
  static var commandLineExpectation: String { get }
  /// The accepted words, if only certain words are accepted.
  static var choices: [String] { get }
  /// Reads a value, or returns nil if it is of another type.
  init?(_ value: ConfigurationValue)
  /// Reads the text of a command-line argument, or returns nil if it is of another type.
  init?(commandLine text: String)
  /// The value to write; reading it back gives the same bits.
  var configured: ConfigurationValue { get }
}

extension OptionValue {
  package static var commandLineExpectation: String { expectation }
  package static var choices: [String] { [] }
}

/// An integer: a configuration file has it in its one canonical form, since YAML 1.1 reads `010` as 8.
private func canonicalInteger<Number: FixedWidthInteger>(_ value: ConfigurationValue) -> Number? {
  guard case .plain(let text) = value, let number = Number(text), "\(number)" == text else {
    return nil
  }
  return number
}

extension Int: OptionValue {
  package static var expectation: String { "an integer" }
  package init?(_ value: ConfigurationValue) {
    guard let number: Int = canonicalInteger(value) else { return nil }
    self = number
  }
  package init?(commandLine text: String) { self.init(text) }
  package var configured: ConfigurationValue { .plain("\(self)") }
}

extension UInt64: OptionValue {
  package static var expectation: String { "an integer from 0 to 18446744073709551615" }
  package init?(_ value: ConfigurationValue) {
    guard let number: UInt64 = canonicalInteger(value) else { return nil }
    self = number
  }
  package init?(commandLine text: String) { self.init(text) }
  package var configured: ConfigurationValue { .plain("\(self)") }
}

extension Double: OptionValue {
  package static var expectation: String { "a number" }
  package init?(_ value: ConfigurationValue) {
    // Double also reads "nan", "inf" and hexadecimal, which YAML writes differently.
    guard case .plain(let text) = value, text.allSatisfy({ "0123456789+-.eE".contains($0) }),
      let number = Double(text), number.isFinite
    else { return nil }
    self = number
  }
  package init?(commandLine text: String) { self.init(text) }
  package var configured: ConfigurationValue { .plain("\(self)") }
}

extension Bool: OptionValue {
  package static var expectation: String { "true or false" }
  package init?(_ value: ConfigurationValue) {
    guard case .plain(let text) = value else { return nil }
    self.init(commandLine: text)
  }
  /// Reads `true` or `false`, or one of the other words that YAML 1.1 has for them.
  package init?(commandLine text: String) {
    switch text.lowercased() {
    case "true", "yes", "on": self = true
    case "false", "no", "off": self = false
    default: return nil
    }
  }
  package var configured: ConfigurationValue { .plain("\(self)") }
}

extension String: OptionValue {
  package static var expectation: String { "text" }
  package init?(_ value: ConfigurationValue) {
    guard let text = value.text else { return nil }
    self = text
  }
  package init?(commandLine text: String) { self = text }
  package var configured: ConfigurationValue { .quoted(self) }
}

extension Optional: OptionValue where Wrapped: OptionValue {
  package static var expectation: String { "\(Wrapped.expectation), or null" }
  package static var commandLineExpectation: String { Wrapped.commandLineExpectation }
  package static var choices: [String] { Wrapped.choices }
  package init?(_ value: ConfigurationValue) {
    if case .none = value {
      self = .none
    } else if let wrapped = Wrapped(value) {
      self = wrapped
    } else {
      return nil
    }
  }
  package init?(commandLine text: String) {
    guard let wrapped = Wrapped(commandLine: text) else { return nil }
    self = wrapped
  }
  package var configured: ConfigurationValue { self?.configured ?? .none }
}

extension Array: OptionValue where Element: OptionValue {
  package static var expectation: String {
    "a list such as [a, b], each item \(Element.expectation)"
  }
  package static var commandLineExpectation: String {
    "a list separated by commas, each item \(Element.commandLineExpectation)"
  }
  /// A list, or one text with commas as on the command line.
  package init?(_ value: ConfigurationValue) {
    let items: [ConfigurationValue]
    switch value {
    case .list(let list): items = list
    case .plain(let text), .quoted(let text):
      items = text.split(separator: ",").map {
        .plain(String($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()))
      }
    case .none: items = []
    case .mapping, .other: return nil
    }
    var elements: [Element] = []
    for item in items {
      guard let element = Element(item) else { return nil }
      elements.append(element)
    }
    self = elements
  }
  package init?(commandLine text: String) {
    var elements: [Element] = []
    for item in text.split(separator: ",") {
      guard let element = Element(commandLine: String(item)) else { return nil }
      elements.append(element)
    }
    self = elements
  }
  package var configured: ConfigurationValue { .list(map(\.configured)) }
}

/// An option that is one of a few words, which are lowercase and hyphenated.
///
/// It is read in any case and with `_` for `-`.
package protocol WordOption: OptionValue, CaseIterable, RawRepresentable where RawValue == String {}

extension WordOption {
  package static var expectation: String { "one of \(choices.joined(separator: ", "))" }
  package static var choices: [String] { allCases.map(\.rawValue) }
  package init?(_ value: ConfigurationValue) {
    guard let text = value.text else { return nil }
    self.init(commandLine: text)
  }
  package init?(commandLine text: String) {
    self.init(rawValue: text.lowercased().replacing("_", with: "-"))
  }
  package var configured: ConfigurationValue { .quoted(rawValue) }
}
