// SPDX-License-Identifier: Apache-2.0
public import NeuralCore

/// A checkpoint that is open for reading.
///
/// ```swift
/// let checkpoint = try Checkpoint(path: "runs/a/checkpoints/step-000000120.safetensors")
/// let weights = try checkpoint.tensor("layers.0.weight")
/// ```
/// Every byte of the file is covered by a checksum: the header's is checked when the file is opened,
/// a tensor's when the tensor is read, and all of them by `verify()`.
public struct Checkpoint: Sendable {
  /// The position in training, and what resuming needs.
  public let metadata: CheckpointMetadata
  private let file: SafetensorsFile

  /// Opens a checkpoint and checks its header.
  ///
  /// - Throws: `CheckpointError`: `.missing`; `.malformed`, also for a safetensors file that is not
  ///   a Lockstep checkpoint; `.newerFormat`; `.readFailed`.
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

  /// The path of the file.
  public var path: String { file.path }

  /// The tensors in the order of their bytes.
  public var tensors: [TensorEntry] { file.tensors }

  /// The position of a tensor, or nil if the checkpoint has none of that name.
  public func entry(_ name: String) -> TensorEntry? { file.entry(name) }

  /// The position of a tensor that must have a certain shape.
  ///
  /// - Throws: `CheckpointError.malformed` if there is no such tensor, or one of another shape.
  @discardableResult
  public func entry(_ name: String, shape: [Int]) throws(CheckpointError) -> TensorEntry {
    try file.entry(name, shape: shape)
  }

  /// Reads a tensor of a layout's shape into memory, in the layout's order.
  ///
  /// - Throws: `CheckpointError.malformed` if there is no such tensor, one of another shape, or one
  ///   that does not match its checksum; the content of the memory is then undefined; `.readFailed`.
  public func read(
    _ name: String, as layout: TensorLayout, into values: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    try file.read(name, as: layout, into: values)
  }

  /// Reads a tensor into a new buffer, in row-major order.
  ///
  /// - Throws: `CheckpointError.malformed` if there is no such tensor, or it does not match its
  ///   checksum; `.readFailed`.
  public func tensor(_ name: String) throws(CheckpointError) -> AlignedBuffer<Float> {
    try file.tensor(name)
  }

  /// Reads the whole file, in pieces, and checks every tensor against its checksum.
  ///
  /// - Throws: `CheckpointError.malformed` with the name of the first that does not match;
  ///   `.readFailed`.
  public func verify() throws {
    try file.verify()
  }
}
