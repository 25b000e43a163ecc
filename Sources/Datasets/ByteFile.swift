// SPDX-License-Identifier: Apache-2.0
internal import CZlib
internal import Files
internal import Machine

/// Reads whole files, and decompresses gzip files.
enum ByteFile {
  /// The content of a file; gzip content is decompressed, whatever the name of the file.
  static func read(_ path: String) throws(DatasetError) -> [UInt8] {
    let file = try InputFile<DatasetError>(path: path)
    try requireMemory(2, times: file.size, path)
    let bytes = try file.bytes(at: 0, count: file.size)
    guard bytes.starts(with: [0x1F, 0x8B]) else {
      guard !path.hasSuffix(".gz") else {
        throw .malformed(path, "not a gzip file although its name ends in .gz")
      }
      return bytes
    }
    return try decompress(bytes, path)
  }

  /// The size of a file in bytes; nil if it can't be read.
  static func size(of path: String) -> Int? {
    (try? InputFile<DatasetError>(path: path))?.size
  }

  /// The first `count` bytes of a file, or all if it is shorter; nil if it can't be read.
  static func prefix(of path: String, count: Int) -> [UInt8]? {
    guard let file = try? InputFile<DatasetError>(path: path) else { return nil }
    return try? file.bytes(at: 0, count: min(count, file.size))
  }

  /// Allocations up to this many bytes are not checked against the free memory.
  private static let alwaysGranted = 1 << 26

  /// Refuses what does not fit into memory, before anything is allocated.
  static func requireMemory(
    _ factor: Int, times bytes: Int, _ path: String
  ) throws(DatasetError) {
    guard bytes >= alwaysGranted else { return }
    let free = Memory.availableBytes
    guard bytes <= free / factor else {
      throw .unreadable(
        path: path,
        reason: "needs more memory than is free: \(factor) times \(bytes >> 20) MiB, of "
          + "\(free >> 20) MiB")
    }
  }

  /// The product of `unit` and all extents of an array, checked before anything is sized by it.
  static func size(
    _ extents: [Int], unit: Int = 1, path: String
  ) throws(DatasetError) -> Int {
    var size = unit
    for extent in extents {
      let (product, overflow) = size.multipliedReportingOverflow(by: extent)
      guard !overflow else {
        throw .malformed(path, "the array's shape \(extents) is out of range")
      }
      size = product
    }
    return size
  }
}

// MARK: - gzip

extension ByteFile {
  /// Decompresses one gzip member after another (RFC 1952).
  ///
  /// Memory grows only as content arrives: a small file may expand to a thousand times its size.
  static func decompress(_ compressed: [UInt8], _ path: String) throws(DatasetError) -> [UInt8] {
    var stream = z_stream()
    guard
      inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else { throw .unreadable(path: path, reason: "zlib could not be initialized") }
    defer { inflateEnd(&stream) }
    var result: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 18)
    var input = compressed
    var offset = 0
    var ended = false
    var granted = alwaysGranted
    while !(ended && offset == input.count) {
      // There must be memory for what may arrive until the next check, twice while the array is
      // reallocated.
      if result.count + piece.count > granted {
        try requireMemory(4, times: granted, path)
        granted *= 2
      }
      if ended { inflateReset(&stream) }
      let (code, consumed, produced) = input.withUnsafeMutableBufferPointer { source in
        piece.withUnsafeMutableBufferPointer { target in
          inflateOnce(&stream, source, from: offset, into: target)
        }
      }
      offset += consumed
      result.append(contentsOf: piece[..<produced])
      guard code == Z_OK || code == Z_STREAM_END else {
        throw .malformed(
          path,
          code == Z_BUF_ERROR
            ? "truncated gzip file: copy it again" : "damaged gzip file: copy it again")
      }
      ended = code == Z_STREAM_END
      if !ended && offset == input.count && produced == 0 {
        throw .malformed(path, "truncated gzip file: copy it again")
      }
    }
    return result
  }

  private static func inflateOnce(
    _ stream: inout z_stream, _ source: UnsafeMutableBufferPointer<UInt8>, from offset: Int,
    into target: UnsafeMutableBufferPointer<UInt8>
  ) -> (code: Int32, consumed: Int, produced: Int) {
    let available = Swift.min(source.count - offset, 1 << 30)
    stream.next_in = source.baseAddress.map { $0 + offset }
    stream.avail_in = UInt32(available)
    stream.next_out = target.baseAddress
    stream.avail_out = UInt32(target.count)
    let code = inflate(&stream, Z_NO_FLUSH)
    return (code, available - Int(stream.avail_in), target.count - Int(stream.avail_out))
  }
}
