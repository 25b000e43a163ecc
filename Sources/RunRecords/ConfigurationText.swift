// SPDX-License-Identifier: Apache-2.0

/// Values as YAML text.
package enum ConfigurationText {
  package static func text(of value: ConfigurationValue) -> String {
    switch value {
    case .none, .other: "null"
    case .plain(let text): text
    case .quoted(let text): isPlain(text) ? text : quoted(text)
    case .list(let values): "[" + values.map(Self.text).joined(separator: ", ") + "]"
    }
  }

  /// Words that YAML 1.1 or 1.2 may take for something else than text.
  private static let reserved: Set = ["true", "false", "yes", "no", "on", "y", "n", "null"]

  /// Whether a text needs no quotes: it begins with a letter, or a path, and holds nothing special.
  private static func isPlain(_ text: String) -> Bool {
    guard let first = text.utf8.first, !reserved.contains(text.lowercased()) else { return false }
    let isLetter = { (byte: UInt8) in (0x61...0x7A).contains(byte | 0x20) }
    return (isLetter(first) || first == UInt8(ascii: "/"))
      && text.utf8.allSatisfy { byte in
        isLetter(byte) || (0x30...0x39).contains(byte) || "-_./".utf8.contains(byte)
      }
  }

  /// A text in double quotes (YAML 1.2, section 7.3.1), everything unusual escaped.
  ///
  /// That includes `&` and `*`, which files may have in no other form.
  private static func quoted(_ text: String) -> String {
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
