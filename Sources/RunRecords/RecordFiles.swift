// SPDX-License-Identifier: Apache-2.0
internal import Failures
package import Files

/// A file of a run that is open for writing: a log, or a file to publish.
typealias OutputFile = Files.OutputFile<RunRecordError>

extension RunRecordError: FileErrorConvertible {
  package init(_ error: FileError) {
    self =
      switch error {
      case .cannotOpen(let path, let error): .readFailed(path: path, reason: error.text)
      case .notRegularFile(let path): .readFailed(path: path, reason: "it is not a regular file")
      case .endsEarly(let path): .readFailed(path: path, reason: "the file is truncated")
      case .readFailed(let path, let reason): .readFailed(path: path, reason: reason)
      case .writeFailed(let path, let reason): .writeFailed(path: path, reason: reason)
      }
  }
}

/// The complete lines of a file.
enum InputLines {
  /// Calls `body` with each complete line, line feed included, and its number, counted from 1.
  ///
  /// A last line without a line feed, which a crash may leave, is left out.
  /// - Throws: `RunRecordError.readFailed`, and what `body` throws.
  static func forEach(in path: String, _ body: ([UInt8], Int) throws -> Void) throws {
    try InputFile<RunRecordError>(path: path).forEachLine(body)
  }
}

/// Small text files.
public enum TextFile {
  /// Writes a file; it appears complete or not at all, and is on the disk when this returns.
  ///
  /// - Throws: `RunRecordError.writeFailed`; a file that was at `path` is then untouched.
  public static func publish(_ text: String, to path: String) throws {
    try OutputFile.publish(path) { try $0.write(text) }
  }
}
