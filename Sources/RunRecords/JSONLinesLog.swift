// SPDX-License-Identifier: Apache-2.0
internal import Files

/// A log with one JSON object a line.
///
/// A record is handed to the system whole when it is appended, so it survives the process; it
/// survives the machine once `synchronize()` or `close()` has returned.
public final class JSONLinesLog {
  /// What is done with a file that is there already.
  public enum Mode: Sendable {
    /// Records are added at its end.
    case append
    /// It is emptied.
    case truncate
  }

  private let file: OutputFile

  /// Opens a log, making the file if need be.
  ///
  /// - Throws: `RunRecordError.writeFailed`.
  public init(path: String, mode: Mode) throws {
    file = try OutputFile(path: path, truncating: mode == .truncate)
  }

  /// Where the log is.
  public var path: String { file.path }

  /// Adds a record.
  ///
  /// - Throws: `RunRecordError.writeFailed`; no part of the record is left in the file then.
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
  /// A log that is dropped without it is closed too, but nobody learns of an error.
  /// - Throws: `RunRecordError.writeFailed`.
  public func close() throws {
    try file.close()
  }

  /// Waits until all records of a log are on the disk, through a descriptor of its own.
  ///
  /// May be called while another thread adds records.
  /// - Throws: `RunRecordError.writeFailed`, also where the file is gone.
  public static func synchronize(_ path: String) throws {
    try OutputFile.synchronize(path)
  }

  /// Which records a run writes at a step.
  public struct Records: Equatable, Sendable {
    /// Whatever there is.
    public static let all = Records(step: true, digest: true, evaluation: true)

    /// The step's own.
    public var step: Bool
    /// The digest in it.
    public var digest: Bool
    /// An evaluation.
    public var evaluation: Bool

    /// Says which.
    public init(step: Bool, digest: Bool, evaluation: Bool) {
      self.step = step
      self.digest = digest
      self.evaluation = evaluation
    }

    /// What stays of a line: all, the line without its digest, or nil for nothing.
    func kept(of line: String) -> String? {
      if line.contains("\"test_loss\":") { return evaluation ? line : nil }
      guard step else { return nil }
      // A digest is the last field of its record.
      guard !digest, let start = line.firstRange(of: ",\"digest\":\"") else { return line }
      return line[..<start.lowerBound] + "}\n"
    }
  }

  /// Cuts a log back to the records of steps up to `step`, for a run that goes on from there.
  ///
  /// Records without a step stay. A last line that a crash cut short goes. The file is replaced as
  /// a whole: it holds the old records or the ones that stay, even after a crash. To get the log
  /// of an uninterrupted run, write a step's records before its checkpoint.
  ///
  /// - Parameter records: what stays of the records of the last step that stays.
  /// - Throws: `RunRecordError`: `.malformedRecord` where a line is no record, `.readFailed`,
  ///   `.writeFailed`; the file is then as it was.
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
        kept += recordStep == step ? records.kept(of: text) ?? "" : text
        if kept.utf8.count > 1 << 16 {
          try output.write(kept)
          kept = ""
        }
      }
      try output.write(kept)
    }
  }

  /// The step of a line that one of our records made: -1 for one without, nil for no record.
  private static func step(of line: [UInt8]) -> Int? {
    guard line.starts(with: "{\"".utf8), line.suffix(2).elementsEqual("}\n".utf8),
      let text = String(validating: line, as: UTF8.self)
    else { return nil }
    let prefix = "{\"step\":"
    guard text.hasPrefix(prefix) else { return -1 }
    return Int(text.dropFirst(prefix.count).prefix { $0 != "," && $0 != "}" })
  }
}
