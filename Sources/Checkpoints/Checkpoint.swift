// SPDX-License-Identifier: Apache-2.0
public import NeuralCore

/// A checkpoint that is open for reading.
///
/// ```swift
/// let checkpoint = try Checkpoint(path: "runs/a/checkpoints/step-000000120.safetensors")
/// let weights = try checkpoint.tensor("layers.0.weight")
/// ```
/// Every byte of the file is covered by a checksum: the header's is checked when it is opened, a
/// tensor's when that is read, and all of them by `verify()`.
public struct Checkpoint: Sendable {
  /// Where training stood.
  public let metadata: CheckpointMetadata
  private let file: SafetensorsFile

  /// Opens a checkpoint and checks its header.
  ///
  /// - Throws: `CheckpointError`: `.missing`; `.malformed` also for a safetensors file that is no
  ///   checkpoint of ours; `.newerFormat`; `.readFailed`.
  public init(path: String) throws {
    file = try SafetensorsFile(path: path)
    do {
      metadata = try CheckpointMetadata(strings: file.metadata, checksums: file.checksums)
      for key in [CheckpointMetadata.Key.checksums, .headerChecksum]
      where file.metadata[key.rawValue] == nil {
        throw MalformedContent("its metadata lacks '\(key.rawValue)'")
      }
    } catch let error as MalformedContent {
      throw CheckpointError.malformed(path: path, what: error.what)
    } catch let error as CheckpointMetadata.NewerFormat {
      throw CheckpointError.newerFormat(path: path, version: error.version)
    }
  }

  /// Where the file is.
  public var path: String { file.path }

  /// The tensors in the order of their bytes.
  public var tensors: [TensorEntry] { file.tensors }

  /// Where a tensor is, or nil if the checkpoint has none of that name.
  public func entry(_ name: String) -> TensorEntry? { file.entry(name) }

  /// Reads a tensor into memory of the caller's, which must have exactly its size.
  ///
  /// - Throws: `CheckpointError.malformed` where there is no such tensor, or one of another size, or
  ///   one that does not match its checksum; `.readFailed`.
  public func read(_ name: String, into values: UnsafeMutableBufferPointer<Float>) throws {
    try file.read(name, into: values)
  }

  /// Reads a tensor of a layout's shape into memory of the caller's, in the layout's order.
  ///
  /// - Throws: As `read(_:into:)` does, and `CheckpointError.malformed` where the shape is another.
  public func read(
    _ name: String, as layout: TensorLayout, into values: UnsafeMutableBufferPointer<Float>
  ) throws {
    try file.read(name, as: layout, into: values)
  }

  /// Reads a tensor into memory of its own.
  ///
  /// - Throws: As `read(_:into:)` does.
  public func tensor(_ name: String) throws -> AlignedBuffer<Float> {
    try file.tensor(name)
  }

  /// Reads the whole file, a piece at a time, and holds every tensor against its checksum.
  ///
  /// - Throws: `CheckpointError.malformed` with the name of the first that does not match.
  public func verify() throws {
    try file.verify()
  }
}
