// SPDX-License-Identifier: Apache-2.0

/// A strict parser of the few forms of JSON that a header has (RFC 8259).
///
/// It builds no tree, so that memory grows no faster than the input, nesting costs no stack, and a
/// repeated key, which most parsers accept silently, is detected.
struct JSONScanner {
  private let bytes: [UInt8]
  /// The index of the next byte.
  private(set) var position = 0

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// Reads an object; `member` reads the value after each key.
  mutating func object(_ member: (inout JSONScanner, String) throws -> Void) throws {
    try expect(UInt8(ascii: "{"))
    if take(UInt8(ascii: "}")) { return }
    var keys: Set<String> = []
    repeat {
      let key = try string()
      guard keys.insert(key).inserted else {
        throw MalformedContent("the header has two entries '\(printable(key))'")
      }
      try expect(UInt8(ascii: ":"))
      try member(&self, key)
    } while take(UInt8(ascii: ","))
    try expect(UInt8(ascii: "}"))
  }

  /// Reads an array of integers.
  mutating func integers() throws -> [Int] {
    try expect(UInt8(ascii: "["))
    if take(UInt8(ascii: "]")) { return [] }
    var numbers: [Int] = []
    repeat { numbers.append(try integer()) } while take(UInt8(ascii: ","))
    try expect(UInt8(ascii: "]"))
    return numbers
  }

  /// Reads an integer from 0 to `Int.max`.
  mutating func integer() throws -> Int {
    skipSpace()
    let start = position
    while let byte = peek, (0x30...0x39).contains(byte) { position += 1 }
    let digits = bytes[start..<position]
    guard let number = Int(String(decoding: digits, as: UTF8.self)),
      digits.count == 1 || digits.first != UInt8(ascii: "0")
    else { throw unexpected() }
    return number
  }

  /// Throws unless nothing but space is left.
  mutating func end() throws {
    skipSpace()
    guard position == bytes.count else { throw unexpected() }
  }

  /// Reads a string.
  mutating func string() throws -> String {
    try expect(UInt8(ascii: "\""))
    var content: [UInt8] = []
    while let byte = peek {
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: content, as: UTF8.self) else {
          throw MalformedContent("the header has text that is not UTF-8")
        }
        return text
      case UInt8(ascii: "\\"): try escape(into: &content)
      case 0..<0x20: throw unexpected()
      default: content.append(byte)
      }
    }
    throw unexpected()
  }

  private mutating func escape(into content: inout [UInt8]) throws {
    guard let byte = peek else { throw unexpected() }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
    case UInt8(ascii: "b"): content.append(0x08)
    case UInt8(ascii: "f"): content.append(0x0C)
    case UInt8(ascii: "n"): content.append(0x0A)
    case UInt8(ascii: "r"): content.append(0x0D)
    case UInt8(ascii: "t"): content.append(0x09)
    case UInt8(ascii: "u"): content.append(contentsOf: String(try escapedScalar()).utf8)
    default: throw unexpected()
    }
  }

  /// Reads the digits after `\u`, and the second escape of a surrogate pair.
  private mutating func escapedScalar() throws -> Character {
    var code = UInt32(try fourHexDigits())
    if (0xD800..<0xDC00).contains(code), peek == UInt8(ascii: "\\") {
      position += 1
      guard peek == UInt8(ascii: "u") else { throw unexpected() }
      position += 1
      let low = UInt32(try fourHexDigits())
      guard (0xDC00..<0xE000).contains(low) else { throw unexpected() }
      code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(code) else { throw unexpected() }
    return Character(scalar)
  }

  private mutating func fourHexDigits() throws -> UInt16 {
    var value: UInt16 = 0
    for _ in 0..<4 {
      guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80
      else { throw unexpected() }
      value = value << 4 | UInt16(digit)
      position += 1
    }
    return value
  }

  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = peek, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { position += 1 }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    skipSpace()
    guard peek == byte else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ byte: UInt8) throws {
    guard take(byte) else { throw unexpected() }
  }

  private func unexpected() -> MalformedContent {
    MalformedContent("the header violates the safetensors format at its byte \(position)")
  }
}
