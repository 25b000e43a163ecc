// SPDX-License-Identifier: Apache-2.0

/// JSON in the making: text whose bytes depend on nothing but what was added.
struct JSONText {
  private(set) var bytes: [UInt8] = []

  /// Adds text as it is.
  mutating func raw(_ text: String) {
    bytes.append(contentsOf: text.utf8)
  }

  /// Adds a quoted string.
  mutating func string(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): raw("\\\"")
      case UInt8(ascii: "\\"): raw("\\\\")
      case 0x0A: raw("\\n")
      case 0x0D: raw("\\r")
      case 0x09: raw("\\t")
      case 0..<0x20: raw("\\u00" + (byte < 0x10 ? "0" : "") + String(byte, radix: 16))
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  /// Adds an object of strings, its keys in the order of their bytes.
  ///
  /// `didAdd` is told where each value ended.
  mutating func object(_ members: [String: String], didAdd: (String, Int) -> Void = { _, _ in }) {
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
