// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import NeuralCore

/// The header of a safetensors file: a string map and a table of tensors.
///
/// Format: https://huggingface.co/docs/safetensors. Eight bytes give the length N of the header
/// (little-endian), N bytes of JSON follow, padded with spaces, then the tensors' bytes.
struct SafetensorsHeader: Equatable {
  /// The maximum length of a header in bytes; the reference implementation has the same limit.
  static let maximumLength = 100_000_000

  /// The string map.
  var metadata: [String: String]
  /// The tensors in the order of their bytes.
  var tensors: [TensorEntry]
}

/// The position of a tensor in a file.
public struct TensorEntry: Equatable, Sendable {
  /// The tensor's name.
  public let name: String
  /// The extent of each dimension, outermost first.
  public let shape: [Int]
  /// The tensor's bytes, counted from the first byte after the header.
  public let byteRange: Range<Int>

  /// The number of elements.
  public var count: Int { byteRange.count / MemoryLayout<Float>.stride }

  /// The product of a shape, or nil if it does not fit an `Int` or an extent is negative.
  static func elementCount(of shape: [Int]) -> Int? {
    var count = 1
    for extent in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard extent >= 0, !overflow else { return nil }
      count = product
    }
    return count
  }
}

// MARK: - Reading

extension SafetensorsHeader {
  /// Reads and checks a header whose data section has `dataLength` bytes.
  ///
  /// - Throws: `MalformedContent` unless each tensor's range fits its shape and the ranges cover the
  ///   data section, each byte once; and if a `header_checksum` does not match.
  init(parsing bytes: [UInt8], dataLength: Int) throws {
    var scanner = JSONScanner(bytes)
    var metadata: [String: String] = [:]
    var tensors: [TensorEntry] = []
    var checksumEnd: Int?
    try scanner.object { scanner, key in
      if key == "__metadata__" {
        try scanner.object { scanner, key in
          metadata[key] = try scanner.string()
          if key == HeaderChecksum.key { checksumEnd = scanner.position }
        }
      } else {
        tensors.append(try Self.entry(key, &scanner))
      }
    }
    try scanner.end()
    if let checksumEnd { try HeaderChecksum.verify(bytes, valueEnd: checksumEnd) }
    tensors.sort {
      ($0.byteRange.lowerBound, $0.byteRange.upperBound)
        < ($1.byteRange.lowerBound, $1.byteRange.upperBound)
    }
    try Self.checkCoverage(tensors, dataLength: dataLength)
    self.init(metadata: metadata, tensors: tensors)
  }

  private static func entry(_ name: String, _ scanner: inout JSONScanner) throws -> TensorEntry {
    var type: String?
    var shape: [Int]?
    var offsets: [Int]?
    try scanner.object { scanner, key in
      switch key {
      case "dtype": type = try scanner.string()
      case "shape": shape = try scanner.integers()
      case "data_offsets": offsets = try scanner.integers()
      default: throw MalformedContent("tensor '\(printable(name))' has an unknown entry")
      }
    }
    let tensor = "tensor '\(printable(name))'"
    guard let type, let shape, let offsets, offsets.count == 2, offsets[0] <= offsets[1] else {
      throw MalformedContent("\(tensor) lacks a valid type, shape or range")
    }
    guard type == "F32" else {
      throw MalformedContent("\(tensor) is of type \(printable(type)), not F32")
    }
    let bytes = TensorEntry.elementCount(of: shape)?.multipliedReportingOverflow(by: 4)
    guard let bytes, !bytes.overflow, bytes.partialValue == offsets[1] - offsets[0] else {
      throw MalformedContent("the shape of \(tensor) does not fit its range in the file")
    }
    return TensorEntry(name: name, shape: shape, byteRange: offsets[0]..<offsets[1])
  }

  private static func checkCoverage(_ tensors: [TensorEntry], dataLength: Int) throws {
    var end = 0
    for tensor in tensors {
      guard tensor.byteRange.lowerBound == end else {
        throw MalformedContent(
          "tensor '\(printable(tensor.name))' does not begin where the previous one ends")
      }
      end = tensor.byteRange.upperBound
    }
    guard end == dataLength else {
      throw MalformedContent("the tensors take \(end) bytes, the file has \(dataLength) for them")
    }
  }
}

// MARK: - Writing

extension SafetensorsHeader {
  /// The table of tensors that follow one another.
  init(metadata: [String: String], tensors: [NamedTensor]) {
    var end = 0
    self.metadata = metadata
    self.tensors = tensors.map { tensor in
      let start = end
      end += tensor.values.count * MemoryLayout<Float>.stride
      return TensorEntry(name: tensor.name, shape: tensor.shape, byteRange: start..<end)
    }
  }

  /// The length and the JSON, with the header's checksum in the string map.
  func encoded() -> [UInt8] {
    var members = metadata
    members[HeaderChecksum.key] = HeaderChecksum.blank
    var text = JSONText()
    var checksumEnd = 0
    text.raw("{\"__metadata__\":")
    text.object(members) { key, end in
      if key == HeaderChecksum.key { checksumEnd = end }
    }
    for tensor in tensors {
      text.raw(",")
      text.string(tensor.name)
      text.raw(":{\"dtype\":\"F32\",\"shape\":[")
      text.raw(tensor.shape.map(String.init).joined(separator: ","))
      text.raw("],\"data_offsets\":[")
      text.raw("\(tensor.byteRange.lowerBound),\(tensor.byteRange.upperBound)]}")
    }
    text.raw("}")
    text.raw(String(repeating: " ", count: (8 - text.bytes.count % 8) % 8))
    let header = HeaderChecksum.filled(text.bytes, valueEnd: checksumEnd)
    return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
  }
}

// MARK: - Checksums

/// The checksum of a header, an entry of the header's own string map.
///
/// It is the XXH3-128 of the eight bytes of the length and of the header, in which the 32 digits of
/// the checksum itself are replaced by zeros (the character).
private enum HeaderChecksum {
  static let key = CheckpointMetadata.Key.headerChecksum.rawValue
  static let blank = String(repeating: "0", count: 32)

  /// The header with the checksum in place of the blank whose closing quote ends at `valueEnd`.
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

/// The XXH3-128 of each tensor's bytes, in the form in which a file stores them.
///
/// The string map has them under `checksums`, as a JSON object from names to 32 digits.
enum TensorChecksums {
  static let key = CheckpointMetadata.Key.checksums.rawValue

  /// The text that a file stores; its length does not depend on the hashes.
  static func encoded(_ checksums: [String: ContentHash]) -> String {
    var text = JSONText()
    text.object(checksums.mapValues(\.description))
    return String(decoding: text.bytes, as: UTF8.self)
  }

  /// Reads that text; it must name each of `tensors` and no other.
  static func decoded(_ text: String, tensors: [TensorEntry]) throws -> [String: ContentHash] {
    let checksums = try decoded(text)
    guard checksums.count == tensors.count, tensors.allSatisfy({ checksums[$0.name] != nil }) else {
      throw MalformedContent("the tensors and the list of checksums differ")
    }
    return checksums
  }

  /// Reads that text, for any tensors.
  static func decoded(_ text: String) throws -> [String: ContentHash] {
    var checksums: [String: ContentHash] = [:]
    var scanner = JSONScanner(Array(text.utf8))
    try scanner.object { scanner, name in
      guard let hash = ContentHash(hexadecimal: try scanner.string()) else {
        throw MalformedContent("the checksum of '\(printable(name))' is not 32 digits")
      }
      checksums[name] = hash
    }
    try scanner.end()
    return checksums
  }
}

extension ContentHash {
  /// Reads the 32 lower-case hexadecimal digits of `description`.
  init?(hexadecimal text: String) {
    guard text.utf8.count == 32,
      let high = UInt64(text.prefix(16), radix: 16),
      let low = UInt64(text.suffix(16), radix: 16)
    else { return nil }
    self.init(high: high, low: low)
    guard description == text else { return nil }
  }
}
