// SPDX-License-Identifier: Apache-2.0
internal import Files
public import NeuralCore

/// A safetensors file of Float32 tensors that is open for reading.
///
/// Everything that the header claims is checked against the file before any memory is allocated for
/// it, so a damaged or hostile file is an error, never a trap. If the file has checksums (those of
/// `SafetensorsWriter` do), each tensor is checked against its own when it is read. May be used from
/// several threads.
public final class SafetensorsFile: Sendable {
  /// The string map of the file.
  public var metadata: [String: String] { header.metadata }
  /// The tensors in the order of their bytes.
  public var tensors: [TensorEntry] { header.tensors }
  /// The checksums of the tensors by name; empty if the file has none.
  public let checksums: [String: ContentHash]

  private let header: SafetensorsHeader
  private let input: InputFile<CheckpointError>
  private let dataStart: Int
  private let indices: [String: Int]

  /// Opens a file and checks its header.
  ///
  /// - Throws: `CheckpointError.missing`, `.malformed` or `.readFailed`.
  public init(path: String) throws {
    let input = try InputFile<CheckpointError>(path: path)
    do {
      let length = try Self.headerLength(input)
      dataStart = 8 + length
      header = try SafetensorsHeader(
        parsing: try input.bytes(at: 8, count: length), dataLength: input.size - dataStart)
      checksums =
        try header.metadata[TensorChecksums.key].map { [header] text in
          try TensorChecksums.decoded(text, tensors: header.tensors)
        } ?? [:]
    } catch let error as MalformedContent {
      throw CheckpointError.malformed(path: path, what: error.what)
    }
    self.input = input
    indices = Dictionary(
      uniqueKeysWithValues: header.tensors.enumerated().map { ($1.name, $0) })
  }

  /// The path of the file.
  public var path: String { input.path }

  private static func headerLength(_ input: InputFile<CheckpointError>) throws -> Int {
    guard input.size >= 8 else { throw MalformedContent("the file is truncated") }
    let length = try input.bytes(at: 0, count: 8).reversed().reduce(UInt64(0)) {
      $0 << 8 | UInt64($1)
    }
    guard length <= UInt64(SafetensorsHeader.maximumLength) else {
      throw MalformedContent("it does not begin like a safetensors file, or its header is too long")
    }
    guard length <= UInt64(input.size - 8) else { throw MalformedContent("the file is truncated") }
    return Int(length)
  }
}

// MARK: - Tensors

extension SafetensorsFile {
  /// The position of a tensor, or nil if the file has none of that name.
  public func entry(_ name: String) -> TensorEntry? {
    indices[name].map { header.tensors[$0] }
  }

  /// The position of a tensor that must have a certain shape.
  ///
  /// - Throws: `CheckpointError.malformed` if the file has no such tensor, or one of another shape.
  public func entry(_ name: String, shape: [Int]) throws(CheckpointError) -> TensorEntry {
    let entry = try required(name)
    guard entry.shape == shape else {
      throw malformed("tensor '\(name)' has shape \(entry.shape), expected \(shape)")
    }
    return entry
  }

  /// Reads a tensor into memory of exactly its size.
  ///
  /// - Throws: `CheckpointError.malformed` if the file has no such tensor, one of another size, or
  ///   one that does not match its checksum; the content of the memory is then undefined;
  ///   `.readFailed`.
  public func read(
    _ name: String, into values: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    let entry = try required(name)
    guard entry.count == values.count else {
      throw malformed("tensor '\(name)' has \(entry.count) values, expected \(values.count)")
    }
    let bytes = UnsafeMutableRawBufferPointer(values)
    try input.read(at: dataStart + entry.byteRange.lowerBound, into: bytes)
    try check(ContentHash(of: UnsafeRawBufferPointer(bytes)), of: entry)
  }

  /// Reads a tensor of a layout's shape into memory, in the layout's order.
  ///
  /// - Throws: As `read(_:into:)` does, and `CheckpointError.malformed` if the shape differs.
  public func read(
    _ name: String, as layout: TensorLayout, into values: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    _ = try entry(name, shape: layout.shape)
    guard layout.order == .columnMajor, let target = values.baseAddress else {
      return try read(name, into: values)
    }
    precondition(values.count == layout.count, "memory of another size")
    let byRows = try tensor(name)
    withExtendedLifetime(byRows) { layout.arrange(byRows: byRows.base, into: target) }
  }

  /// Reads a tensor into a new buffer, in row-major order.
  ///
  /// - Throws: As `read(_:into:)` does.
  public func tensor(_ name: String) throws(CheckpointError) -> AlignedBuffer<Float> {
    let buffer = AlignedBuffer<Float>(count: try required(name).count)
    try read(name, into: buffer.mutableElements)
    return buffer
  }

  /// Reads every tensor, in pieces, and checks it against its checksum.
  ///
  /// - Throws: `CheckpointError.malformed` with the name of the first that does not match;
  ///   `.readFailed`.
  public func verify() throws {
    var piece = [UInt8](repeating: 0, count: 1 << 20)
    for entry in tensors {
      try check(try hash(of: entry, through: &piece), of: entry)
    }
  }

  private func hash(of entry: TensorEntry, through piece: inout [UInt8]) throws -> ContentHash {
    let hasher = ContentHasher()
    try piece.withUnsafeMutableBytes { piece in
      for start in stride(from: 0, to: entry.byteRange.count, by: piece.count) {
        let count = min(piece.count, entry.byteRange.count - start)
        let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<count])
        try input.read(at: dataStart + entry.byteRange.lowerBound + start, into: part)
        hasher.update(UnsafeRawBufferPointer(part))
      }
    }
    return hasher.hash
  }

  private func required(_ name: String) throws(CheckpointError) -> TensorEntry {
    guard let entry = entry(name) else { throw malformed("it has no tensor '\(name)'") }
    return entry
  }

  private func check(_ hash: ContentHash, of entry: TensorEntry) throws(CheckpointError) {
    if let expected = checksums[entry.name], hash != expected {
      throw malformed("tensor '\(printable(entry.name))' does not match its checksum")
    }
  }

  private func malformed(_ what: String) -> CheckpointError {
    .malformed(path: path, what: what)
  }
}
