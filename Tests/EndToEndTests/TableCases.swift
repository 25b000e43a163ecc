// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// Tables in a folder of their own, and the program run on them.
final class TableCases: Sendable {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Runs a command of the program on some ranks, in the folder.
  func callAsFunction(_ arguments: [String], ranks: Int = 2) throws -> CommandResult {
    try mpirun(
      ranks: ranks, productURL(named: "lockstep").path, arguments, options: ["--quiet"],
      currentDirectory: folder.path)
  }

  /// Trains on a table, into the run directory `run`, and returns the summary.
  @discardableResult
  func train(
    _ data: String, _ options: [String] = [], run: String = "r", ranks: Int = 2,
    _ location: SourceLocation = #_sourceLocation
  ) throws -> Summary {
    let result = try self(
      ["train", data] + options + ["--run", run, "--overwrite", "--json"], ranks: ranks)
    try #require(result.status == 0, "\(result.standardError)", sourceLocation: location)
    return Summary(try object(result.standardOutput), said: result.standardError)
  }

  /// What `evaluate --json` prints.
  func evaluate(
    _ data: String, _ options: [String] = [], run: String = "r", ranks: Int = 2,
    _ location: SourceLocation = #_sourceLocation
  ) throws -> Summary {
    let result = try self(["evaluate", run, data, "--json"] + options, ranks: ranks)
    try #require(result.status == 0, "\(result.standardError)", sourceLocation: location)
    return Summary(try object(result.standardOutput), said: result.standardError)
  }

  /// The lines that `predict` prints.
  func predict(
    _ data: String, _ options: [String] = [], run: String = "r",
    _ location: SourceLocation = #_sourceLocation
  ) throws -> [String] {
    let result = try self(["predict", run, data] + options)
    try #require(result.status == 0, "\(result.standardError)", sourceLocation: location)
    return result.standardOutput.split(separator: "\n").map(String.init)
  }

  /// What `describe` prints, with what it says on standard error in front.
  func describe(
    _ data: String, _ options: [String] = [], _ location: SourceLocation = #_sourceLocation
  ) throws -> String {
    let result = try self(["describe", data] + options)
    try #require(result.status == 0, "\(result.standardError)", sourceLocation: location)
    return result.standardError + result.standardOutput
  }

  /// Expects status 65 and a single line, before anything is trained, and returns the line.
  func refusal(
    _ arguments: [String], status: Int32 = 65, _ location: SourceLocation = #_sourceLocation
  ) throws -> String {
    let result = try self(arguments)
    #expect(result.status == status, "\(result.standardError)", sourceLocation: location)
    let lines = result.standardError.split(separator: "\n")
    #expect(lines.count == 1, "\(result.standardError)", sourceLocation: location)
    return result.standardError
  }

  func object(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }
}

/// The numbers that a command has printed as JSON, and what it said besides.
struct Summary {
  let numbers: [String: Double]
  let said: String

  init(_ object: [String: Any], said: String) {
    numbers = object.compactMapValues { $0 as? Double }
    self.said = said
  }

  /// A number, NaN if there is none of that name.
  subscript(_ name: String) -> Double { numbers[name] ?? .nan }
}

/// Random rows, the same for the same seed.
struct RandomRows {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
  private mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// From 0 to `bound - 1`.
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  /// From 0 to 1.
  mutating func fraction() -> Double { Double(next() >> 11) / 9_007_199_254_740_992 }

  /// Normally distributed, as far as the sum of twelve is.
  mutating func normal() -> Double { (0..<12).reduce(-6) { sum, _ in sum + fraction() } }

  mutating func normals(_ count: Int) -> [Double] { (0..<count).map { _ in normal() } }
}

/// Rows of normal features with a score that is a fixed sum of them.
struct LinearRows {
  let features: [[Double]]
  let scores: [Double]

  init(_ rows: Int, _ columns: Int, seed: UInt64 = 1) {
    var random = RandomRows(seed: seed)
    let features = (0..<rows).map { _ in random.normals(columns) }
    self.features = features
    scores = features.map { row in
      row.enumerated().reduce(0) { $0 + $1.element * ($1.offset % 2 == 0 ? 1 : -0.5) }
    }
  }

  /// A text of the rows, with a class of each.
  func text(
    header: String? = nil, separator: String = ",", classes: [String] = ["0", "1"],
    _ row: (Int, [String], String) -> [String] = { _, features, label in features + [label] }
  ) -> String {
    var text = header.map { $0 + "\n" } ?? ""
    for index in features.indices {
      let cells = features[index].map { String(format: "%.3f", $0) }
      // Thresholds are quantiles of scores that are nearly normal.
      let label = classes[
        min(Int((scores[index] / 1.2 + 1) / 2 * Double(classes.count)).clamped, classes.count - 1)]
      text += row(index, cells, label).joined(separator: separator) + "\n"
    }
    return text
  }

  /// A text of the rows, with a number of each.
  func numbers(
    header: String? = nil, separator: String = ",", end: String = "\n",
    _ number: (Double) -> String = { String(format: "%.3f", $0) }
  ) -> String {
    (header.map { $0 + end } ?? "")
      + features.indices.map { index in
        (features[index].map { String(format: "%.3f", $0) } + [number(scores[index])])
          .joined(separator: separator) + end
      }.joined()
  }
}

extension Int {
  fileprivate var clamped: Int { Swift.max(self, 0) }
}
