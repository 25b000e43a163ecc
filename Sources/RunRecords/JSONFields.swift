// SPDX-License-Identifier: Apache-2.0
internal import Files

/// A JSON object in the making, its fields in the order in which they are added.
///
/// Numbers are the shortest decimals that read back to the same bits. JSON has no infinity and no
/// NaN: they become `null`.
struct JSONFields {
  private var fields: [(name: String, value: String)] = []

  /// Adds a whole number.
  mutating func add(_ name: String, _ value: Int) {
    fields.append((name, String(value)))
  }

  /// Adds a number, or `null` for none and for one that is not finite.
  mutating func add(_ name: String, _ value: Double?) {
    fields.append((name, value.map(Self.number) ?? "null"))
  }

  /// Adds a string, or `null` for none.
  mutating func add(_ name: String, _ value: String?) {
    fields.append((name, value.map(Self.quoted) ?? "null"))
  }

  /// Adds a list of strings.
  mutating func add(_ name: String, _ values: [String]) {
    fields.append((name, "[" + values.map(Self.quoted).joined(separator: ",") + "]"))
  }

  /// Adds a list of whole numbers.
  mutating func add(_ name: String, _ values: [Int]) {
    fields.append((name, "[" + values.map(String.init).joined(separator: ",") + "]"))
  }

  /// Adds true or false.
  mutating func add(_ name: String, _ value: Bool) {
    fields.append((name, value ? "true" : "false"))
  }

  /// Adds an object.
  mutating func add(_ name: String, _ value: JSONFields) {
    fields.append((name, value.line))
  }

  /// The object on one line, without spaces.
  var line: String {
    "{" + fields.map { "\"\($0.name)\":\($0.value)" }.joined(separator: ",") + "}"
  }

  /// The object with one field a line, and a line feed at its end.
  var page: String {
    "{\n" + fields.map { "  \"\($0.name)\": \($0.value)" }.joined(separator: ",\n") + "\n}\n"
  }

  static func number(_ value: Double) -> String {
    value.isFinite ? value.description : "null"
  }

  static func quoted(_ text: String) -> String { JSONText.quoted(text) }
}
