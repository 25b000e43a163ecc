// SPDX-License-Identifier: Apache-2.0

/// The value of an option as a configuration file has it, before its type is known.
package enum ConfigurationValue: Equatable, Sendable {
  /// Nothing: `null`, `~`, or no value at all.
  case none
  /// A word or number without quotes.
  case plain(String)
  /// A text in quotes.
  case quoted(String)
  /// Values in brackets, or one a line.
  case list([ConfigurationValue])
  /// What no option takes: keys and values, or lists within lists.
  case other
}

extension ConfigurationValue {
  /// The text, whether in quotes or not.
  package var text: String? {
    switch self {
    case .plain(let text), .quoted(let text): text
    case .none, .list, .other: nil
    }
  }

  /// How the value is shown to a person in a message: one line, and not too long.
  package var shown: String {
    switch self {
    case .none: "nothing"
    case .plain(let text), .quoted(let text): "\"\(Self.oneLine(text))\""
    case .list: "a list"
    case .other: "keys and values"
    }
  }

  package static func oneLine(_ text: String) -> String {
    String(
      text.unicodeScalars.prefix(60).map {
        $0.properties.generalCategory == .control ? "?" : Character($0)
      })
  }
}

/// A type that an option can have.
package protocol OptionValue: Sendable {
  /// What a person must write, such as "a whole number".
  static var expectation: String { get }
  /// Understands a value, or gives nil where it is of another type.
  init?(_ value: ConfigurationValue)
  /// The value as it is written; reading that gives the same bits.
  var configured: ConfigurationValue { get }
}

extension Int: OptionValue {
  package static var expectation: String { "a whole number" }
  package init?(_ value: ConfigurationValue) {
    guard case .plain(let text) = value, let number = Int(text), "\(number)" == text else {
      return nil
    }
    self = number
  }
  package var configured: ConfigurationValue { .plain("\(self)") }
}

extension UInt64: OptionValue {
  package static var expectation: String { "a whole number from 0 to 18446744073709551615" }
  package init?(_ value: ConfigurationValue) {
    guard case .plain(let text) = value, let number = UInt64(text), "\(number)" == text else {
      return nil
    }
    self = number
  }
  package var configured: ConfigurationValue { .plain("\(self)") }
}

extension Double: OptionValue {
  package static var expectation: String { "a number" }
  package init?(_ value: ConfigurationValue) {
    // Double also reads "nan", "inf" and hexadecimal, which no option can hold.
    guard case .plain(let text) = value, text.allSatisfy({ "0123456789+-.eE".contains($0) }),
      let number = Double(text), number.isFinite
    else { return nil }
    self = number
  }
  package var configured: ConfigurationValue { .plain("\(self)") }
}

extension Bool: OptionValue {
  package static var expectation: String { "true or false" }
  package init?(_ value: ConfigurationValue) {
    switch value {
    case .plain("true"): self = true
    case .plain("false"): self = false
    default: return nil
    }
  }
  package var configured: ConfigurationValue { .plain("\(self)") }
}

extension String: OptionValue {
  package static var expectation: String { "a text" }
  package init?(_ value: ConfigurationValue) {
    guard let text = value.text else { return nil }
    self = text
  }
  package var configured: ConfigurationValue { .quoted(self) }
}

extension Optional: OptionValue where Wrapped: OptionValue {
  package static var expectation: String { "\(Wrapped.expectation), or null" }
  package init?(_ value: ConfigurationValue) {
    if case .none = value {
      self = .none
    } else if let wrapped = Wrapped(value) {
      self = wrapped
    } else {
      return nil
    }
  }
  package var configured: ConfigurationValue { self?.configured ?? .none }
}

extension Array: OptionValue where Element: OptionValue {
  package static var expectation: String { "a list such as [a, b], each \(Element.expectation)" }
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
    case .other: return nil
    }
    var elements: [Element] = []
    for item in items {
      guard let element = Element(item) else { return nil }
      elements.append(element)
    }
    self = elements
  }
  package var configured: ConfigurationValue { .list(map(\.configured)) }
}

/// Options that are one of a few words.
package protocol WordOption: OptionValue, CaseIterable, RawRepresentable where RawValue == String {}

extension WordOption {
  package static var expectation: String {
    "one of \(allCases.map(\.rawValue).joined(separator: ", "))"
  }
  package init?(_ value: ConfigurationValue) {
    guard let text = value.text else { return nil }
    self.init(rawValue: text)
  }
  package var configured: ConfigurationValue { .quoted(rawValue) }
}
