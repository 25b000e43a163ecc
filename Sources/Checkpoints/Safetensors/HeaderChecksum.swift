// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// The checksum of a header, which stands in the header's own string map.
///
/// It is the XXH3-128 of the eight bytes of the length and of the header, in which the 32 digits of
/// the checksum itself are counted as zeros (the character).
enum HeaderChecksum {
  static let key = "header_checksum"
  static let blank = String(repeating: "0", count: 32)

  /// The header with the checksum in the place of the blank whose closing quote ends at `valueEnd`.
  static func filled(_ header: [UInt8], valueEnd: Int) -> [UInt8] {
    var header = header
    let digits = valueEnd - 33..<valueEnd - 1
    header.replaceSubrange(digits, with: checksum(of: header).utf8)
    return header
  }

  /// Checks a header whose checksum's closing quote ends at `valueEnd`.
  static func verify(_ header: [UInt8], valueEnd: Int) throws {
    let digits = valueEnd - 33..<valueEnd - 1
    var blanked = header
    guard digits.lowerBound > 0, header[digits.lowerBound - 1] == UInt8(ascii: "\"") else {
      throw MalformedContent("the header's checksum is not 32 digits")
    }
    blanked.replaceSubrange(digits, with: blank.utf8)
    guard header[digits].elementsEqual(checksum(of: blanked).utf8) else {
      throw MalformedContent("the header does not match its checksum")
    }
  }

  private static func checksum(of blanked: [UInt8]) -> String {
    let hasher = ContentHasher()
    withUnsafeBytes(of: UInt64(blanked.count).littleEndian) { hasher.update($0) }
    blanked.withUnsafeBytes { hasher.update($0) }
    return hasher.hash.description
  }
}
