// SPDX-License-Identifier: Apache-2.0
internal import CZlib

/// Arrays of features and targets in one file, as written by `numpy.savez`.
///
/// Its members are `x` and `y`, or `x_train` and `y_train` and optionally the test set `x_test` and
/// `y_test`, as in the `mnist.npz` of Keras; `X` may be a capital letter.
enum NPZFile {
  static func load(_ path: String, _ options: LoadOptions) throws(DatasetError) -> LoadedData {
    let archive = try ZipArchive(ByteFile.read(path), path)
    let train = archive.contains("x_train") || !archive.contains("x") ? "_train" : ""
    let data = try load(archive, train, options)
    guard train == "_train", archive.contains("x_test") else {
      return LoadedData(training: data, heldOut: nil)
    }
    var testOptions = options
    if !data.labels.isEmpty { testOptions.knownLabels = data.labels }
    let heldOut = try load(archive, "_test", testOptions)
    guard heldOut.columns == data.columns else {
      throw .malformed(
        path, "x_test has \(heldOut.columns) features per row, but x_train \(data.columns)")
    }
    guard heldOut.outputs == data.outputs else {
      throw .malformed(
        path, "y_test has \(heldOut.outputs) targets per row, but y_train \(data.outputs)")
    }
    return LoadedData(training: data, heldOut: heldOut)
  }

  private static func load(
    _ archive: ZipArchive, _ suffix: String, _ options: LoadOptions
  ) throws(DatasetError) -> Dataset {
    let features = try archive.array("x" + suffix)
    let targets = options.readsTargets ? try archive.array("y" + suffix) : nil
    return try NPYPair.dataset(features, targets, options)
  }
}

/// A ZIP file of `.npy` members, stored or deflated.
///
/// Format: PKWARE's APPNOTE.TXT, sections 4.3.7 (local header), 4.3.12 (central directory) and 4.3.16
/// (end of the central directory).
private struct ZipArchive {
  private struct Member {
    let name: String
    let flags: Int
    let method: Int
    let checksum: Int
    let compressedSize: Int
    let size: Int
    /// The place of the local header.
    let offset: Int
  }

  private let path: String
  private let bytes: [UInt8]
  private let members: [Member]

  init(_ bytes: [UInt8], _ path: String) throws(DatasetError) {
    self.path = path
    self.bytes = bytes
    guard bytes.starts(with: ByteFile.zipMagic) || bytes.starts(with: [0x50, 0x4B, 5, 6]) else {
      throw .malformed(path, "not an NPZ file: write it with numpy.savez")
    }
    members = try Self.directory(bytes, path)
  }

  /// Reads the central directory.
  private static func directory(
    _ bytes: [UInt8], _ path: String
  ) throws(DatasetError) -> [Member] {
    // The record at the end has 22 bytes and a comment of at most 65,535.
    let ends = stride(from: bytes.count - 22, through: max(0, bytes.count - 22 - 65_535), by: -1)
    guard bytes.count >= 22,
      let end = ends.first(where: { bytes[$0...].starts(with: [0x50, 0x4B, 5, 6]) })
    else {
      throw .malformed(path, "truncated NPZ file: it has no directory at its end; copy it again")
    }
    let entries = number(bytes, end + 10, 2)
    let (size, start) = (number(bytes, end + 12, 4), number(bytes, end + 16, 4))
    guard entries != 0xFFFF, size != 0xFFFF_FFFF, start != 0xFFFF_FFFF else {
      throw .malformed(path, tooLarge)
    }
    var members: [Member] = []
    var place = start
    for _ in 0..<entries {
      guard place + 46 <= end, bytes[place...].starts(with: [0x50, 0x4B, 1, 2]) else {
        throw .malformed(path, damaged)
      }
      let nameEnd = place + 46 + number(bytes, place + 28, 2)
      let next = nameEnd + number(bytes, place + 30, 2) + number(bytes, place + 32, 2)
      guard next <= end else { throw .malformed(path, damaged) }
      members.append(
        Member(
          name: String(decoding: bytes[place + 46..<nameEnd], as: UTF8.self),
          flags: number(bytes, place + 8, 2), method: number(bytes, place + 10, 2),
          checksum: number(bytes, place + 16, 4), compressedSize: number(bytes, place + 20, 4),
          size: number(bytes, place + 24, 4), offset: number(bytes, place + 42, 4)))
      place = next
    }
    return members
  }

  private static let damaged = "damaged NPZ file: its directory is invalid; copy it again"
  private static let tooLarge =
    "NPZ files of 4 GiB or more are not supported: save FEATURES.npy,TARGETS.npy with numpy.save"

  /// A little-endian number of `size` bytes; the caller has checked that they exist.
  private static func number(_ bytes: [UInt8], _ place: Int, _ size: Int) -> Int {
    bytes[place..<place + size].reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  private func found(_ name: String) -> [Member] {
    members.filter { $0.name.lowercased() == name + ".npy" }
  }

  /// Whether there is an array with this name, in upper or lower case.
  func contains(_ name: String) -> Bool { !found(name).isEmpty }

  /// The array with this name, in upper or lower case.
  func array(_ name: String) throws(DatasetError) -> NPYArray {
    let found = found(name)
    guard let member = found.first, found.count == 1 else {
      let names = members.prefix(12).map { member in
        member.name.hasSuffix(".npy") ? String(member.name.dropLast(4)) : member.name
      }
      throw .malformed(
        path,
        "\(found.isEmpty ? "no array" : "more than one array") \(name): it holds "
          + "\(names.isEmpty ? "nothing" : names.joined(separator: ", "))"
          + "\(members.count > 12 ? ", …" : ""), but should hold x and y, or x_train, y_train, "
          + "x_test and y_test")
    }
    return try NPYArray(content(member), "\(path), \(member.name)")
  }

  private func content(_ member: Member) throws(DatasetError) -> [UInt8] {
    let place = "\(path), \(member.name)"
    guard member.flags & 1 == 0 else {
      throw .malformed(place, "encrypted: save it with numpy.savez")
    }
    guard member.size != 0xFFFF_FFFF, member.compressedSize != 0xFFFF_FFFF else {
      throw .malformed(path, Self.tooLarge)
    }
    let data = try data(member, place)
    let result: [UInt8]
    switch member.method {
    case 0 where member.size == member.compressedSize: result = Array(data)
    // Deflate expands at most 1,032 times: more than that is refused before memory is taken.
    case 8 where member.size / 1032 <= member.compressedSize:
      try ByteFile.requireMemory(2, times: member.size, place)
      guard let inflated = ByteFile.inflate(data, size: member.size) else {
        throw .malformed(place, "damaged data: copy the file again")
      }
      result = inflated
    case 0, 8: throw .malformed(place, "damaged data: its size is impossible; copy the file again")
    default:
      throw .malformed(
        place, "unsupported compression method \(member.method): save it with numpy.savez")
    }
    guard ByteFile.checksum(result) == member.checksum else {
      throw .malformed(place, "damaged data: the CRC-32 does not match; copy the file again")
    }
    return result
  }

  /// The compressed bytes of a member, which follow its local header.
  private func data(_ member: Member, _ place: String) throws(DatasetError) -> ArraySlice<UInt8> {
    let header = member.offset
    guard header + 30 <= bytes.count, bytes[header...].starts(with: ByteFile.zipMagic) else {
      throw .malformed(place, "damaged NPZ file: its directory is invalid; copy it again")
    }
    let start =
      header + 30 + Self.number(bytes, header + 26, 2) + Self.number(bytes, header + 28, 2)
    guard start + member.compressedSize <= bytes.count else {
      throw .malformed(place, "truncated data: copy the file again")
    }
    return bytes[start..<start + member.compressedSize]
  }
}

// MARK: - zlib

extension ByteFile {
  /// The first bytes of a ZIP file with members.
  static let zipMagic: [UInt8] = [0x50, 0x4B, 3, 4]

  /// Inflates a raw deflate stream (RFC 1951) of exactly `size` bytes; nil if it is damaged.
  fileprivate static func inflate(_ compressed: ArraySlice<UInt8>, size: Int) -> [UInt8]? {
    var stream = z_stream()
    guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else { return nil }
    defer { inflateEnd(&stream) }
    var input = Array(compressed)
    // Sizes are below 4 GiB here, which zlib's 32-bit counters hold.
    guard let available = UInt32(exactly: input.count), let room = UInt32(exactly: size) else {
      return nil
    }
    // zlib refuses a null pointer, which an empty array may have.
    var result = [UInt8](repeating: 0, count: max(size, 1))
    let code = input.withUnsafeMutableBufferPointer { source in
      result.withUnsafeMutableBufferPointer { target in
        stream.next_in = source.baseAddress
        stream.avail_in = available
        stream.next_out = target.baseAddress
        stream.avail_out = room
        return CZlib.inflate(&stream, Z_FINISH)
      }
    }
    guard code == Z_STREAM_END, stream.avail_out == 0, stream.avail_in == 0 else { return nil }
    return size == 0 ? [] : result
  }

  /// The CRC-32 of bytes.
  fileprivate static func checksum(_ bytes: [UInt8]) -> Int {
    bytes.withUnsafeBufferPointer { Int(crc32_z(0, $0.baseAddress, $0.count)) }
  }
}
