// SPDX-License-Identifier: Apache-2.0
internal import Files

/// A JSON object under construction, with its fields in the order in which they are added.
///
/// Numbers are the shortest decimals that read back to the same bits. JSON has no infinity and no
/// NaN: they become `null`.
struct JSONFields {
  private var fields: [(name: String, value: String)] = []

  mutating func add(_ name: String, _ value: some JSONValue) {
    fields.append((name, value.json))
  }

  /// Adds a field under the key by which it is decoded.
  mutating func add(_ key: some CodingKey, _ value: some JSONValue) {
    add(key.stringValue, value)
  }

  /// The object on one line, without spaces.
  var line: String {
    "{" + fields.map { "\"\($0.name)\":\($0.value)" }.joined(separator: ",") + "}"
  }

  /// The object with one field per line, and a line feed at its end.
  var page: String {
    "{\n" + fields.map { "  \"\($0.name)\": \($0.value)" }.joined(separator: ",\n") + "\n}\n"
  }
}

/// A value that a field of a JSON object can have.
protocol JSONValue {
  /// The value as JSON, without spaces.
  var json: String { get }
}

extension Int: JSONValue {
  var json: String { String(self) }
}

extension Double: JSONValue {
  var json: String { isFinite ? description : "null" }
}

extension Bool: JSONValue {
  var json: String { self ? "true" : "false" }
}

extension String: JSONValue {
  var json: String { JSONText.quoted(self) }
}

extension Optional: JSONValue where Wrapped: JSONValue {
  var json: String { self?.json ?? "null" }
}

extension Array: JSONValue where Element: JSONValue {
  var json: String { "[" + map(\.json).joined(separator: ",") + "]" }
}

extension JSONFields: JSONValue {
  var json: String { line }
}

extension KeyedDecodingContainer {
  /// A number: nil where the key is absent, NaN where it is `null`, as ``JSONFields`` writes it.
  func number(_ key: Key) throws -> Double? {
    guard contains(key) else { return nil }
    return try decodeIfPresent(Double.self, forKey: key) ?? .nan
  }
}
