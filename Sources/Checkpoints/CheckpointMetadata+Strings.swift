// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

extension CheckpointMetadata {
  /// The keys of the string map that have a place of their own.
  enum Key: String, CaseIterable {
    case format
    case formatVersion = "format_version"
    case step
    case epoch
    case positionInEpoch = "position_in_epoch"
    case seed
    case slices
    case config
    case model
    case digest
    case checksums
    case headerChecksum = "header_checksum"
  }

  /// The string map, without the two checksum entries, which the writing of a file adds.
  ///
  /// An `extra` entry under the name of one of the others is left out.
  var strings: [String: String] {
    let known: [Key: String] = [
      .format: Self.format,
      .formatVersion: String(formatVersion),
      .step: String(step),
      .epoch: String(epoch),
      .positionInEpoch: String(positionInEpoch),
      .seed: String(seed),
      .slices: String(slices),
      .config: config,
      .model: model,
      .digest: digest.description,
    ]
    var strings = extra.filter { Key(rawValue: $0.key) == nil }
    for (key, value) in known { strings[key.rawValue] = value }
    return strings
  }

  /// Reads a string map.
  ///
  /// - Throws: `MalformedContent` where an entry is missing or is not what it should be, and
  ///   `NewerFormat`.
  init(strings: [String: String], checksums: [String: ContentHash]) throws {
    let fields = Fields(strings: strings)
    guard strings[Key.format.rawValue] == Self.format else {
      throw MalformedContent("it is not a Lockstep checkpoint")
    }
    let version: Int = try fields.number(.formatVersion)
    guard version <= Self.currentFormatVersion else { throw NewerFormat(version: version) }
    guard version >= 1, let digest = ContentHash(hexadecimal: try fields.text(.digest)) else {
      throw MalformedContent("its format version or digest is none")
    }
    self.init(
      step: try fields.count(.step), epoch: try fields.count(.epoch),
      positionInEpoch: try fields.count(.positionInEpoch), seed: try fields.number(.seed),
      slices: try fields.count(.slices), config: try fields.text(.config),
      model: try fields.text(.model), digest: digest,
      extra: strings.filter { Key(rawValue: $0.key) == nil })
    guard slices >= 1 else { throw MalformedContent("its entry 'slices' is 0") }
    self.formatVersion = version
    self.checksums = checksums
  }

  /// A format version that this code does not know yet.
  struct NewerFormat: Error {
    let version: Int
  }

  private struct Fields {
    let strings: [String: String]

    func text(_ key: Key) throws -> String {
      guard let text = strings[key.rawValue] else {
        throw MalformedContent("its metadata lacks '\(key.rawValue)'")
      }
      return text
    }

    func number<Number: FixedWidthInteger>(_ key: Key) throws -> Number {
      let text = try text(key)
      guard let number = Number(text), String(number) == text else {
        throw MalformedContent(
          "its entry '\(key.rawValue)' is '\(printable(text))', not a whole number")
      }
      return number
    }

    func count(_ key: Key) throws -> Int {
      let number: Int = try number(key)
      guard number >= 0 else { throw MalformedContent("its entry '\(key.rawValue)' is negative") }
      return number
    }
  }
}

extension CheckpointMetadata: Codable {
  /// Writes the string map; the checksums are those of the file that this was read from, if any.
  public func encode(to encoder: any Encoder) throws {
    var strings = strings
    strings[Key.checksums.rawValue] = TensorChecksums.encoded(checksums)
    var container = encoder.singleValueContainer()
    try container.encode(strings)
  }

  /// Reads the string map.
  public init(from decoder: any Decoder) throws {
    let strings = try decoder.singleValueContainer().decode([String: String].self)
    do {
      let checksums = try TensorChecksums.decoded(strings[Key.checksums.rawValue] ?? "{}")
      try self.init(strings: strings, checksums: checksums)
    } catch let error as MalformedContent {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: error.what))
    } catch let error as NewerFormat {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath,
          debugDescription: "checkpoint format \(error.version) is not known yet"))
    }
  }
}
