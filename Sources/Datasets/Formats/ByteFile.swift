// SPDX-License-Identifier: Apache-2.0
internal import CZlib
internal import Foundation
internal import Machine

/// Reads whole files, unpacking those that gzip made.
enum ByteFile {
  /// The content of a file; a gzip file's content is unpacked whatever its name.
  static func read(_ path: String) throws(DatasetError) -> [UInt8] {
    let bytes = try readRaw(path)
    guard bytes.count >= 2, bytes[0] == 0x1f, bytes[1] == 0x8b else {
      guard !path.hasSuffix(".gz") else {
        throw .malformed(path, "not a gzip file although its name says so")
      }
      return bytes
    }
    return try unpack(bytes, path)
  }

  static func isThere(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: path)
  }

  private static func readRaw(_ path: String) throws(DatasetError) -> [UInt8] {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw .unreadable(path: path, reason: errno == ENOENT ? "no such file" : errorText())
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .unreadable(path: path, reason: "not a file")
    }
    guard let file = fopen(path, "rb") else {
      throw .unreadable(path: path, reason: errorText())
    }
    defer { fclose(file) }
    try requireMemory(2, times: Int(status.st_size), path)
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    let count = fread(&bytes, 1, bytes.count, file)
    guard count == bytes.count else {
      throw .unreadable(path: path, reason: "could not be read to its end")
    }
    return bytes
  }

  /// Sizes up to this one are not held against the memory that is free.
  private static let alwaysGranted = 1 << 26

  /// Refuses what memory has no room for, before any of it is taken.
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

  private static func errorText() -> String { String(cString: strerror(errno)) }

  /// Unpacks one gzip member after another (RFC 1952), growing only as content comes.
  static func unpack(_ packed: [UInt8], _ path: String) throws(DatasetError) -> [UInt8] {
    var stream = z_stream()
    guard
      inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else { throw .unreadable(path: path, reason: "zlib could not start") }
    defer { inflateEnd(&stream) }
    var result: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 18)
    var input = packed
    let total = packed.count
    var offset = 0
    var ended = false
    var granted = alwaysGranted
    while !(ended && offset == total) {
      // A small file may unpack to a thousand times its size: memory must have room for what
      // comes until the next look, twice while the array moves.
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
      if !ended && offset == total && produced == 0 {
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
