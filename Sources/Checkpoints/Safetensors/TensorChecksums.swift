// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// The XXH3-128 of every tensor's bytes, as a file keeps them.
///
/// They stand in the string map under `checksums`, as a JSON object from names to 32 digits.
enum TensorChecksums {
  static let key = "checksums"

  /// The checksums of tensors that are about to be written.
  static func computed(for tensors: [NamedTensor]) -> [String: ContentHash] {
    let hashes = tensors.map { tensor in
      let hasher = ContentHasher()
      tensor.forEachPiece { hasher.update($0) }
      return (tensor.name, hasher.hash)
    }
    return Dictionary(uniqueKeysWithValues: hashes)
  }

  /// The text that a file keeps.
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

  /// Reads that text, whatever tensors it names.
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
  /// Reads the 32 lower-case hexadecimal digits that `description` gives.
  init?(hexadecimal text: String) {
    guard text.utf8.count == 32,
      let high = UInt64(text.prefix(16), radix: 16),
      let low = UInt64(text.suffix(16), radix: 16)
    else { return nil }
    self.init(high: high, low: low)
    guard description == text else { return nil }
  }
}
