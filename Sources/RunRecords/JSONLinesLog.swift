// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import Foundation

/// A record that is one line of a log.
public protocol LogRecord {
  /// The record as a JSON object on one line, without a line feed.
  var line: String { get }
}

/// A log with one JSON object per line.
///
/// An appended record is passed to the system as a whole, so it survives the process; it survives
/// the machine once `synchronize()` or `close()` has returned.
public final class JSONLinesLog {
  /// What happens to a file that exists already.
  public enum Mode: Sendable {
    /// Records are added at its end.
    case append
    /// It is emptied.
    case truncate
  }

  private let file: OutputFile

  /// Opens a log, and creates the file if necessary.
  ///
  /// - Throws: `RunRecordError.writeFailed`.
  public init(path: String, mode: Mode) throws {
    file = try OutputFile(path: path, truncating: mode == .truncate)
  }

  /// The path of the file.
  public var path: String { file.path }

  /// Adds a record.
  ///
  /// - Throws: `RunRecordError.writeFailed`; the file then holds no part of the record.
  public func append(_ record: some LogRecord) throws {
    try file.write(record.line + "\n")
  }

  /// Waits until all records are on the disk.
  ///
  /// - Throws: `RunRecordError.writeFailed`.
  public func synchronize() throws {
    try file.synchronize()
  }

  /// Waits until all records are on the disk and closes the file; a second call does nothing.
  ///
  /// A log that is released without it is closed too, but errors are lost.
  /// - Throws: `RunRecordError.writeFailed`.
  public func close() throws {
    try file.close()
  }

  /// Waits until all records of a log are on the disk, through a descriptor of its own.
  ///
  /// May be called while another thread adds records.
  /// - Throws: `RunRecordError.writeFailed`, also where the file is missing.
  public static func synchronize(_ path: String) throws {
    try OutputFile.synchronize(path)
  }
}

// MARK: - Reading

extension JSONLinesLog {
  /// The step numbers that are accepted from files: sums and products of them can't overflow.
  package static let validSteps = 0...(1 << 40)

  /// Reads the records of a log; an incomplete last line, which a crash may leave, is left out.
  ///
  /// - Throws: `RunRecordError`: `.missing` where the file can't be read, `.damaged` with the number
  ///   of a line that can't be decoded.
  static func read<Record: Decodable>(_ path: String, as type: Record.Type) throws -> [Record] {
    let decoder = JSONDecoder()
    var records: [Record] = []
    do {
      try InputLines.forEach(in: path) { line, number in
        guard let record = try? decoder.decode(type, from: Data(line)) else {
          throw RunRecordError.damaged(
            "\(path), line \(number): damaged record; restore the file or leave out this run")
        }
        records.append(record)
      }
    } catch RunRecordError.readFailed(_, let reason) {
      throw RunRecordError.missing("\(path): can't be read: \(reason)")
    }
    return records
  }
}

// MARK: - Truncating

extension JSONLinesLog {
  /// Which records a run writes at a step.
  public struct Records: Equatable, Sendable {
    /// All records.
    public static let all = Records(step: true, digest: true, evaluation: true)

    /// The record of the step.
    public var step: Bool
    /// The digest in it.
    public var digest: Bool
    /// The record of an evaluation.
    public var evaluation: Bool

    /// A selection of records.
    public init(step: Bool, digest: Bool, evaluation: Bool) {
      self.step = step
      self.digest = digest
      self.evaluation = evaluation
    }

    /// The part of a line that is selected: all, the line without its digest, or nil.
    fileprivate func selected(of line: String) -> String? {
      if line.contains("\"test_loss\":") { return evaluation ? line : nil }
      guard step else { return nil }
      // A digest is the last field of its record.
      guard !digest, let start = line.firstRange(of: ",\"digest\":\"") else { return line }
      return line[..<start.lowerBound] + "}\n"
    }
  }

  /// Truncates a log after the records of a step, for a run that is resumed from there.
  ///
  /// Records without a step are kept. An incomplete last line, which a crash may leave, is removed.
  /// The file is replaced as a whole: it holds the old records or the remaining ones, even after a
  /// crash. To get the log of an uninterrupted run, write a step's records before its checkpoint.
  ///
  /// - Parameter records: which records of the last remaining step are kept.
  /// - Throws: `RunRecordError`: `.malformedRecord` where a line is not a record, `.readFailed`,
  ///   `.writeFailed`; the file is then unchanged.
  public static func truncate(
    _ path: String, afterStep step: Int, records: Records = .all
  ) throws {
    try OutputFile.publish(path) { output in
      var kept = ""
      try InputLines.forEach(in: path) { line, number in
        guard let recordStep = Self.step(of: line) else {
          throw RunRecordError.malformedRecord(path: path, line: number)
        }
        guard recordStep <= step else { return }
        let text = String(decoding: line, as: UTF8.self)
        kept += recordStep == step ? records.selected(of: text) ?? "" : text
        if kept.utf8.count > 1 << 16 {
          try output.write(kept)
          kept = ""
        }
      }
      try output.write(kept)
    }
  }

  /// The step of a line that a `LogRecord` made: -1 for one without, nil for anything else.
  ///
  /// The kept lines must not change, so they are not decoded and encoded again.
  private static func step(of line: [UInt8]) -> Int? {
    guard line.starts(with: "{\"".utf8), line.suffix(2).elementsEqual("}\n".utf8),
      let text = String(validating: line, as: UTF8.self)
    else { return nil }
    let prefix = "{\"step\":"
    guard text.hasPrefix(prefix) else { return -1 }
    return Int(text.dropFirst(prefix.count).prefix { $0 != "," && $0 != "}" })
  }
}
