// SPDX-License-Identifier: Apache-2.0
internal import Files
public import NeuralCore

/// Writes tensors to a safetensors file.
///
/// The bytes depend on nothing but the arguments: the string map is sorted by key, the tensors are
/// in the given order. Checksums of the header and of each tensor are added to the string map, as
/// `header_checksum` and `checksums`; readers that don't know them ignore them.
public enum SafetensorsWriter {
  /// Writes a file; it appears complete or not at all.
  ///
  /// The tensors' names must differ from each other and from `__metadata__`. Their values are
  /// written from where they are, without a copy of more than a few rows.
  /// - Throws: `CheckpointError.writeFailed`; a file that was at `path` is then untouched.
  public static func write(
    _ tensors: [NamedTensor], metadata: [String: String], to path: String
  ) throws {
    try write(tensors, metadata: metadata, to: path, calls: .live)
  }

  static func write(
    _ tensors: [NamedTensor], metadata: [String: String], to path: String, calls: SystemCalls
  ) throws {
    precondition(!tensors.contains { $0.name == "__metadata__" }, "a tensor has a reserved name")
    precondition(Set(tensors.map(\.name)).count == tensors.count, "two tensors have the same name")
    var header = SafetensorsHeader(metadata: metadata, tensors: tensors)
    func encodedHeader(_ checksums: [String: ContentHash]) -> [UInt8] {
      header.metadata[TensorChecksums.key] = TensorChecksums.encoded(checksums)
      return header.encoded()
    }
    try OutputFile<CheckpointError>.publish(path, calls: calls) { output in
      // The header precedes the tensors whose checksums it holds. To bring each tensor into
      // row-major order only once, reserve the header's bytes and fill them in at the end.
      let blank = ContentHash(high: 0, low: 0)
      let reserved = encodedHeader(
        Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, blank) }))
      try reserved.withUnsafeBytes { try output.write($0) }
      let checksums = try tensors.map { ($0.name, try write($0, to: output)) }
      let complete = encodedHeader(Dictionary(uniqueKeysWithValues: checksums))
      precondition(complete.count == reserved.count, "the length of a header depends on checksums")
      try output.rewind()
      try complete.withUnsafeBytes { try output.write($0) }
    }
  }

  /// Writes a tensor's elements in row-major order; returns the hash of the bytes.
  private static func write(
    _ tensor: NamedTensor, to output: OutputFile<CheckpointError>
  ) throws -> ContentHash {
    let hasher = ContentHasher()
    // The tensor may be all that keeps its values alive.
    try withExtendedLifetime(tensor) {
      guard let start = tensor.values.baseAddress, !tensor.values.isEmpty else { return }
      try tensor.layout.forEachPieceByRows(of: start) { piece in
        let bytes = UnsafeRawBufferPointer(piece)
        hasher.update(bytes)
        try output.write(bytes)
      }
    }
    return hasher.hash
  }
}

/// A tensor to be written: a name, a layout, and values in memory.
public struct NamedTensor {
  /// The tensor's name in the file, such as `layers.0.weight`.
  public let name: String
  /// The shape, empty for a scalar, and the order of the elements in memory; in files, all tensors
  /// are in row-major order.
  public let layout: TensorLayout
  /// The values, in the order of the layout.
  public let values: UnsafeBufferPointer<Float>
  /// The extent of each dimension, outermost first.
  public var shape: [Int] { layout.shape }
  /// The owner of the memory, kept alive with the tensor.
  private let owner: AlignedBuffer<Float>?

  /// Names values in memory that the caller keeps alive and unchanged until the file is written.
  ///
  /// The product of `shape` must be the number of values. Note that a local variable need not live
  /// beyond its last use: for buffers, `init(name:shape:in:at:)` is the safe way.
  public init(name: String, shape: [Int], values: UnsafeBufferPointer<Float>) {
    self.init(name: name, TensorLayout(shape: shape), values: values, owner: nil)
  }

  /// Names the values of a buffer from index `start` on, as many as the shape has, and keeps the
  /// buffer alive.
  ///
  /// They must be within the buffer.
  public init(name: String, shape: [Int], in buffer: AlignedBuffer<Float>, at start: Int = 0) {
    self.init(name: name, layout: TensorLayout(shape: shape), in: buffer, at: start)
  }

  /// Names the values of a buffer, in the order of a layout, as `init(name:shape:in:at:)` does.
  public init(
    name: String, layout: TensorLayout, in buffer: AlignedBuffer<Float>, at start: Int = 0
  ) {
    let count = TensorEntry.elementCount(of: layout.shape) ?? .max
    precondition(
      start >= 0 && start <= buffer.count && count <= buffer.count - start,
      "tensor \(name) extends beyond its buffer")
    let values = UnsafeBufferPointer(rebasing: buffer.elements[start..<(start + count)])
    self.init(name: name, layout, values: values, owner: buffer)
  }

  private init(
    name: String, _ layout: TensorLayout, values: UnsafeBufferPointer<Float>,
    owner: AlignedBuffer<Float>?
  ) {
    precondition(
      TensorEntry.elementCount(of: layout.shape) == values.count,
      "shape and number of values differ in tensor \(name)")
    self.name = name
    self.layout = layout
    self.values = values
    self.owner = owner
  }
}
