// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// Writes tensors to a safetensors file.
///
/// The bytes depend on nothing but the arguments: the string map is sorted by key, the tensors
/// stand in the given order. Checksums of the header and of every tensor are put into the string
/// map, under `header_checksum` and `checksums`; readers that don't know them pass over them.
public enum SafetensorsWriter {
  /// Writes a file; it appears whole or not at all.
  ///
  /// The tensors' names must differ from each other and from `__metadata__`. Their values are
  /// written from where they lie, without a copy of more than a few rows.
  /// - Throws: `CheckpointError.writeFailed`; a file that was at `path` is then still there.
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
    // The tensors may be all that keeps their values alive.
    try withExtendedLifetime(tensors) {
      var strings = metadata
      strings[TensorChecksums.key] = TensorChecksums.encoded(TensorChecksums.computed(for: tensors))
      let header = SafetensorsHeader(metadata: strings, laying: tensors).encoded()
      try AtomicFile.publish(path, calls: calls) { output in
        try header.withUnsafeBytes { try output.write($0) }
        for tensor in tensors {
          try tensor.forEachPiece { try output.write($0) }
        }
      }
    }
  }
}
