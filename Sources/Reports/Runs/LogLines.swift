// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import RunRecords

/// The lines of a log of JSON objects, read whole.
enum LogLines {
  /// The largest number of a step that is believed, so that sums and products of it stay in range.
  static let mostSteps = 1 << 40

  /// Decodes a file's lines, or returns nil where there is no such file.
  ///
  /// A last line without its line feed, which a crash may leave, is not among them.
  /// - Throws: ``RunRecordError/unsuitableData(_:)`` that names the line that can't be decoded.
  static func read<Line: Decodable>(
    _ path: String, as type: Line.Type, isValid: (Line) -> Bool = { _ in true }
  ) throws -> [Line]? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw RunRecordError.missing("\(path): can't be read; check its permissions")
    }
    var lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    // What follows the last line feed: nothing, or a line that was cut short.
    lines.removeLast()
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try lines.enumerated().map { index, text in
      guard let line = try? decoder.decode(type, from: Data(text)), isValid(line) else {
        throw RunRecordError.damaged(
          "\(path), line \(index + 1): damaged; restore the file, or leave this run out")
      }
      return line
    }
  }
}
