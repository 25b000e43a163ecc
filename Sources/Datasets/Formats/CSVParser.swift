// SPDX-License-Identifier: Apache-2.0

/// Cuts bytes of comma-separated values into records of fields (RFC 4180).
///
/// Fields may be quoted, with doubled quotes and line breaks inside; lines end in LF or CRLF; a byte
/// order mark and blank lines are passed over.
struct CSVParser {
  /// A record: the line that it begins on, and its fields' places.
  struct Record {
    var line = 1
    var fields: [Field] = []
  }

  /// A field's bytes, and whether quotes surround them.
  struct Field {
    var range: Range<Int>
    var isQuoted = false
    var hasDoubledQuotes = false
  }

  private let bytes: [UInt8]
  private let path: String
  private var position = 0
  private var line = 1

  private static let quote = UInt8(ascii: "\"")
  private static let comma = UInt8(ascii: ",")
  private static let newline = UInt8(ascii: "\n")
  private static let carriageReturn = UInt8(ascii: "\r")

  init(_ bytes: [UInt8], path: String) {
    self.bytes = bytes
    self.path = path
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
  }

  /// Reads the next record into `record`; false at the end.
  mutating func next(_ record: inout Record) throws(DatasetError) -> Bool {
    skipBlankLines()
    guard position < bytes.count else { return false }
    record.line = line
    record.fields.removeAll(keepingCapacity: true)
    while true {
      record.fields.append(try field())
      guard position < bytes.count, bytes[position] == Self.comma else { break }
      position += 1
    }
    if position < bytes.count, bytes[position] == Self.carriageReturn { position += 1 }
    if position < bytes.count, bytes[position] == Self.newline {
      position += 1
      line += 1
    }
    return true
  }

  private mutating func skipBlankLines() {
    while position < bytes.count,
      bytes[position] == Self.newline || bytes[position] == Self.carriageReturn
    {
      if bytes[position] == Self.newline { line += 1 }
      position += 1
    }
  }

  private mutating func field() throws(DatasetError) -> Field {
    if position < bytes.count, bytes[position] == Self.quote { return try quotedField() }
    let start = position
    while position < bytes.count, bytes[position] != Self.comma, bytes[position] != Self.newline,
      bytes[position] != Self.carriageReturn
    { position += 1 }
    return Field(range: start..<position)
  }

  private mutating func quotedField() throws(DatasetError) -> Field {
    let firstLine = line
    var field = Field(range: position + 1..<position + 1, isQuoted: true)
    position += 1
    while position < bytes.count {
      if bytes[position] == Self.newline { line += 1 }
      guard bytes[position] == Self.quote else {
        position += 1
        continue
      }
      guard position + 1 < bytes.count, bytes[position + 1] == Self.quote else { break }
      field.hasDoubledQuotes = true
      position += 2
    }
    guard position < bytes.count else {
      throw .malformed(
        path: path, place: "line \(firstLine)", problem: "a quoted field has no closing quote")
    }
    field.range = field.range.lowerBound..<position
    position += 1
    guard
      position == bytes.count
        || [Self.comma, Self.newline, Self.carriageReturn].contains(bytes[position])
    else {
      throw .malformed(
        path: path, place: "line \(line)", problem: "text after the closing quote of a field")
    }
    return field
  }

  /// A field's text, without surrounding blanks unless it is quoted.
  func text(_ field: Field) -> String {
    if field.isQuoted {
      let text = String(decoding: bytes[field.range], as: UTF8.self)
      return field.hasDoubledQuotes ? text.replacing("\"\"", with: "\"") : text
    }
    return String(decoding: bytes[trimmed(field)], as: UTF8.self)
  }

  /// A field's number, or nil if it is none; hexadecimal forms and words count as none.
  func number(_ field: Field) -> Float? {
    let range = trimmed(field)
    guard !range.isEmpty, range.count < 64 else { return nil }
    let isPlain = bytes[range].allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"),
        UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
        true
      default: false
      }
    }
    guard isPlain else {
      return ["nan", "inf", "infinity"].contains(
        text(field).lowercased().trimmingPrefix(while: { "+-".contains($0) })) ? .nan : nil
    }
    return Float(Substring(decoding: bytes[range], as: UTF8.self))
  }

  private func trimmed(_ field: Field) -> Range<Int> {
    var (start, end) = (field.range.lowerBound, field.range.upperBound)
    while start < end, bytes[start] == 0x20 || bytes[start] == 0x09 { start += 1 }
    while start < end, bytes[end - 1] == 0x20 || bytes[end - 1] == 0x09 { end -= 1 }
    return start..<end
  }
}
