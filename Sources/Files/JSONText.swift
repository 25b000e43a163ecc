// SPDX-License-Identifier: Apache-2.0

/// JSON that is being written (RFC 8259); the bytes depend on nothing but what was added.
package struct JSONText {
  /// The text so far, in UTF-8.
  package private(set) var bytes: [UInt8] = []

  /// Empty text.
  package init() {}

  /// A string in quotes, with escapes where JSON needs them.
  package static func quoted(_ text: String) -> String {
    var json = JSONText()
    json.string(text)
    return String(decoding: json.bytes, as: UTF8.self)
  }

  /// Adds text as it is.
  package mutating func raw(_ text: String) {
    bytes.append(contentsOf: text.utf8)
  }

  /// Adds a string in quotes.
  package mutating func string(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): raw("\\\"")
      case UInt8(ascii: "\\"): raw("\\\\")
      case UInt8(ascii: "\n"): raw("\\n")
      case UInt8(ascii: "\r"): raw("\\r")
      case UInt8(ascii: "\t"): raw("\\t")
      case 0..<0x20: raw("\\u00" + (byte < 0x10 ? "0" : "") + String(byte, radix: 16))
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  /// Adds an object of strings, its keys in the order of their bytes.
  ///
  /// - Parameter didAdd: Called with each key and the number of bytes up to the end of its value.
  package mutating func object(
    _ members: [String: String], didAdd: (String, Int) -> Void = { _, _ in }
  ) {
    raw("{")
    let sorted = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    for (index, member) in sorted.enumerated() {
      raw(index == 0 ? "" : ",")
      string(member.key)
      raw(":")
      string(member.value)
      didAdd(member.key, bytes.count)
    }
    raw("}")
  }
}
