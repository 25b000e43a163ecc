// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import RunRecords

/// What a report tells of a run: all that its logs, options and summary say, and nothing else.
struct ReportedRun {
  /// The run directory.
  let path: String
  /// What it has come to, and nothing of its checkpoints.
  let record: RecordedRun
  /// What its last start took; nil if there are no times.
  let timing: RecordedTiming?
  /// The outcome; nil if it has not ended.
  let summary: RunSummary?
  /// The options as (name, value); empty if they are not known.
  let options: [(name: String, value: String)]
  /// Rows in a batch.
  let batch: Int?
  /// What is missing, in words.
  let missing: [String]

  /// Reads a run directory.
  ///
  /// - Throws: ``RunRecordError``: `.missingFile` where this is no run directory, `.unsuitableData`
  ///   where a file of it is damaged.
  init(path: String, name: String) throws {
    self.name = name
    let directory = RunDirectory(existing: path)
    let files = [
      (directory.metrics, "losses"), (directory.timing, "times"), (directory.summary, "outcome"),
      (directory.configuration, "options"),
    ]
    let absent = files.filter { !FileManager.default.fileExists(atPath: $0.0) }
    guard absent.count < files.count else {
      throw RunRecordError.missing("\(path): no run directory; name one that train has written")
    }
    self.path = path
    missing = absent.map { file, what in
      "\((file as NSString).lastPathComponent), so its \(what) can't be shown"
    }
    record = try RecordedRun(logsOf: path)
    timing = try RecordedTiming(path: directory.timing)
    summary = try Self.summary(directory.summary)
    options = try Self.options(directory.configuration)
    batch = options.first { $0.name == "batch" }.flatMap { Int($0.value) }
  }

  /// The name that a reader tells runs apart by.
  let name: String
  /// The digest of the final weights.
  var digest: String? { summary?.digest }
  var ranks: Int? { timing?.start.ranks ?? summary?.ranks }
  var hosts: Int? { timing?.start.hostCount }

  private static func summary(_ path: String) throws -> RunSummary? {
    guard let data = FileManager.default.contents(atPath: path) else { return nil }
    guard let summary = try? JSONDecoder().decode(RunSummary.self, from: data), summary.ranks > 0,
      (0...LogLines.mostSteps).contains(summary.steps)
    else {
      throw RunRecordError.damaged(
        "\(path): damaged; restore the file, or leave this run out")
    }
    return summary
  }

  private static func options(_ path: String) throws -> [(name: String, value: String)] {
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    let entries: [ConfigurationFile.Entry]
    do {
      let bytes = try ConfigurationFile.bytes(path: path)
      entries = try ConfigurationFile.entries(of: bytes, path: path)
    } catch {
      guard case .badConfiguration(let message) = error else { throw error }
      throw RunRecordError.damaged(message)
    }
    return entries.map { ($0.key, $0.value.yaml) }
  }
}
