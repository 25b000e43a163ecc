// SPDX-License-Identifier: Apache-2.0

/// What stands before the numbers in a safetensors file: a string map and a table of tensors.
///
/// Format: https://huggingface.co/docs/safetensors. Eight bytes give the length N of the header
/// (little-endian), N bytes of JSON follow, padded with spaces, then the tensors' bytes.
package struct SafetensorsHeader: Equatable, Sendable {
  /// The longest header that is read, in bytes; the reference implementation has the same bound.
  package static let maximumLength = 100_000_000

  /// The string map.
  package var metadata: [String: String]
  /// The tensors in the order of their bytes.
  package var tensors: [TensorEntry]
}

// MARK: - Reading

extension SafetensorsHeader {
  /// Reads and checks a header whose data section has `dataLength` bytes.
  ///
  /// - Throws: `MalformedContent` unless every tensor's range fits its shape and the ranges cover
  ///   the data section, each byte once; and where a `header_checksum` does not match.
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
    try Self.checkCover(tensors, dataLength: dataLength)
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
      throw MalformedContent("\(tensor) lacks its type, shape or place")
    }
    guard type == "F32" else {
      throw MalformedContent("\(tensor) is of type \(printable(type)), not F32")
    }
    let bytes = TensorEntry.elementCount(of: shape)?.multipliedReportingOverflow(by: 4)
    guard let bytes, !bytes.overflow, bytes.partialValue == offsets[1] - offsets[0] else {
      throw MalformedContent("the shape of \(tensor) does not fit its place in the file")
    }
    return TensorEntry(name: name, shape: shape, byteRange: offsets[0]..<offsets[1])
  }

  private static func checkCover(_ tensors: [TensorEntry], dataLength: Int) throws {
    var end = 0
    for tensor in tensors {
      guard tensor.byteRange.lowerBound == end else {
        throw MalformedContent(
          "tensor '\(printable(tensor.name))' does not begin where the one before it ends")
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
  /// The table of some tensors that lie one after the other.
  init(metadata: [String: String], laying tensors: [NamedTensor]) {
    var end = 0
    self.metadata = metadata
    self.tensors = tensors.map { tensor in
      let start = end
      end += tensor.values.count * MemoryLayout<Float>.stride
      return TensorEntry(name: tensor.name, shape: tensor.shape, byteRange: start..<end)
    }
  }

  /// The length and the JSON, with its checksum in the string map.
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
