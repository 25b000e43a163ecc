// SPDX-License-Identifier: Apache-2.0

/// Small files of text.
public enum TextFile {
  /// Writes a file; it appears whole or not at all, and is on the disk when this returns.
  ///
  /// - Throws: `RunRecordError.writeFailed`; a file that was at `path` is then still there.
  public static func publish(_ text: String, to path: String) throws {
    try OutputFile.publish(path) { try $0.write(text) }
  }
}
