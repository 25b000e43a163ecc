// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import NeuralCore
import TestSupport
import Testing

/// Several readers of a table must come to the bits of one.
@Suite("Tables read in parts")
struct PartialReadingTests {
  let tables: TableFixture

  init() throws { tables = try TableFixture() }

  static let counts = [2, 3, 5]

  /// Loads a table with one reader and with several, and expects the same of all.
  private func check(
    _ text: String, _ location: SourceLocation = #_sourceLocation,
    _ change: (inout LoadOptions) -> Void = { _ in }
  ) throws {
    #expect(text.utf8.count > 3 << 19, sourceLocation: location)
    try check(path: try tables.folder.write("t.csv", text), location, change)
  }

  private func check(
    path: String, _ location: SourceLocation = #_sourceLocation,
    _ change: (inout LoadOptions) -> Void = { _ in }
  ) throws {
    let options = TableFixture.options {
      $0.heldOutFraction = 0.2
      change(&$0)
    }
    let alone = Result { try Dataset.load(.table(path: path), options) }
    let bytes = try? alone.get().training.bytes
    for count in Self.counts {
      for result in try ThreadedReaders.load(path, options, count: count) {
        switch (alone, result) {
        case (.success(let alone), .success(let data)):
          #expect(data.schema == alone.schema, "\(count)", sourceLocation: location)
          #expect(data.notices == alone.notices, "\(count)", sourceLocation: location)
          #expect(data.training.shape == alone.training.shape, "\(count)", sourceLocation: location)
          let isSame = data.training.bytes == bytes
          #expect(isSame, "\(count) readers read other bytes", sourceLocation: location)
        case (.failure(let alone), .failure(let error)):
          #expect("\(error)" == "\(alone)", "\(count)", sourceLocation: location)
        default:
          let texts = [result, alone].map { "\($0)".prefix(200) }
          Issue.record("\(count): \(texts[0]), but alone: \(texts[1])", sourceLocation: location)
        }
      }
    }
  }

  /// Random rows of a table.
  private func rows(
    _ count: Int, seed: UInt64 = 1, end: String = "\n",
    _ row: (Int, inout PhiloxStream) -> String
  ) -> String {
    var random = PhiloxStream(seed: seed, purpose: .syntheticData)
    var text = ""
    for index in 0..<count { text += row(index, &random) + end }
    return text
  }

  private static func number(_ random: inout PhiloxStream) -> String {
    let value = Double(random.next(below: 1 << 30)) / 1e6 - 500
    return random.next(below: 20) == 0 ? "" : "\(value)"
  }

  @Test("numbers with missing cells, with a header and without, with any line end")
  func numbers() throws {
    for (header, end) in [("a,b,c,y", "\n"), ("", "\n"), ("a,b,c,y", "\r\n")] {
      let table = rows(70_000, end: end) { index, random in
        "\(Self.number(&random)),\(Self.number(&random)),\(index % 17),\(index % 2)"
      }
      try check((header.isEmpty ? "" : header + end) + table)
      try check((header.isEmpty ? "" : header + end) + table.dropLast(end.count))
    }
  }

  @Test("words, levels, labels and several targets")
  func words() throws {
    let words = rows(80_000) { index, random in
      let level = random.next(below: random.next(below: 2) == 0 ? 5 : 400)
      return "w\(level),\(Self.number(&random)),\(level % 9 == 0 ? "NA" : "v\(level % 7)"),"
        + "label \(level % 3)"
    }
    try check("w,a,v,y\n" + words)
    try check("w,a,v,y\n" + words) { $0.table.maxLevels = 20 }
    try check("w,a,v,y\n" + words) { $0.table.missing = .drop }
    let targets = rows(80_000) { index, random in
      "\(Double(random.next(below: 1000)) / 7),x\(index % 5),\(Double(index) * 1e-3)"
    }
    try check("y,w,z\n" + targets) { $0.table.target = ["z", "y"] }
  }

  @Test("weights of rows, with categories, an index column and rows that are dropped")
  func weights() throws {
    let table = rows(90_000) { index, random in
      let weight = Double(random.next(below: 1000)) / 8
      return "\(index),\(Self.number(&random)),\(weight),w\(index % 7),\(index % 2)"
    }
    try check(",a,w,c,y\n" + table) { $0.table.weights = "w" }
    try check(table) {
      $0.table.weights = "3"
      $0.table.missing = .drop
    }
    for last in ["1,1,-3,w1,0\n", "1,1,,w1,0\n", "1,1,x,w1,0\n", "1,1,1e99,w1,0\n"] {
      try check(",a,w,c,y\n" + table + last + last) { $0.table.weights = "w" }
    }
  }

  @Test("quoted fields with separators and line breaks")
  func quotes() throws {
    let table = rows(60_000) { index, random in
      let level = random.next(below: 30)
      return "\"a,\(level)\n\",\(Self.number(&random)),\"\(level % 4)\n\n\"\"x\"\"\",\(level % 2)"
    }
    try check("w,a,v,y\n" + table)
    // Quotes in a single cell, which spans the border between parts.
    let plain = rows(40_000) { index, random in "\(Self.number(&random)),w\(index % 3),\(index % 2)"
    }
    try check(
      "a,w,y\n" + plain + "1,\"" + String(repeating: "1,w1,0\n", count: 100_000) + "\",1\n" + plain)
    try check("\"a, b\",w,y\n" + plain + plain)
  }

  @Test("an index column that counts up through all parts, or only through the first ones")
  func index() throws {
    let table = rows(90_000) { index, random in "\(index),\(Self.number(&random)),\(index % 2)" }
    try check(",a,y\n" + table)
    try check(",a,y\n" + table + "90000,1,0\n90000,2,1\n")
    try check(table)
  }

  @Test("words, and words of the header, that only the last part has")
  func contradictions() throws {
    let table = rows(120_000) { index, random in
      "\(index % 40),\(Self.number(&random)),\(index % 2)"
    }
    try check("a,b,y\n" + table + "many,1,0\n")
    try check("a,b,y\n" + table + "1,1,x\n")
    let words = rows(350_000) { index, _ in "w\(index % 9),\(index % 2 == 0 ? "p" : "q")" }
    try check("color,kind\n" + words)
    try check("color,kind\n" + words + "color,p\n")
  }

  @Test("blank lines, blanks, long records and parts without a record")
  func shapes() throws {
    let blank = rows(60_000) { index, random in
      "\(Self.number(&random)),\(index % 5),\(index % 2)"
        + (index % 3 == 0 ? String(repeating: "\n", count: Int(random.next(below: 30))) : "")
    }
    try check("a,b,y\n" + blank + String(repeating: "\n", count: 1 << 20))
    try check(String(repeating: "\n \n", count: 1 << 20) + "a,b,y\n" + blank)
    let spaces = rows(120_000) { index, random in
      " \(Double(random.next(below: 99)))   \(index % 5)\t\(index % 2)  "
    }
    try check("a b y\n" + spaces)
    let wide = rows(8) { index, _ in
      (0..<60_000).map { "\((index + 3) * $0 % 1000)" }.joined(separator: ",") + ",\(index % 2)"
    }
    try check(wide)
  }

  @Test("line ends of all kinds in one file", arguments: ["\r", "\r\n", "\n"])
  func mixedLineEnds(first: String) throws {
    for second in ["\r", "\r\n", "\n"] {
      let one = rows(40_000, end: first) { index, random in
        "\(Self.number(&random)),\(index % 5),\(index % 2)"
      }
      let two = rows(80_000, seed: 2, end: second) { index, random in
        "\(Self.number(&random)),\(index % 5),\(index % 2)"
      }
      try check("a,b,y\(first)" + one + two)
    }
  }

  @Test("compressed files")
  func compressed() throws {
    let table = rows(80_000) { index, random in "w\(index % 7),\(Self.number(&random)),\(index % 2)"
    }
    let path = try compress(tables.folder.write("t.csv", "w,a,y\n" + table))
    try check(path: path)
  }

  @Test("a table that is refused is refused with the same message, and the same line numbers")
  func refused() throws {
    func table(_ last: String, quoted: Bool = false) -> String {
      let rows = rows(90_000) { index, random in
        "\(Self.number(&random)),\(quoted && index % 1000 == 0 ? "\"\n\"" : "\(index)"),\(index % 2)"
      }
      return "a,b,y\n\n" + rows + last
        + rows.prefix(1 << 20).split(separator: "\n").dropLast().joined(separator: "\n")
    }
    for last in [
      "x,1,0\n", "1e99,1,0\n1e98,2,1\n", "1,2\n", "1,2,3,4\n", "1,2,\n", "1,\"2\"x,1\n",
      "1,\"2,1\n",
      "1%,1,1\n", "\n\n\n\nz,1,0\n",
    ] { try check(table(last)) }
    try check(table("")) { $0.table.missing = .refuse }
    try check("a,b,y\n" + rows(120_000) { index, _ in "name \(index),\(index % 3),\(index % 2)" })
    // Bytes that are no UTF-8.
    let bytes = Array(table("1,2,\n").utf8) + [0xE4, 10]
    try check(path: tables.folder.write("t.csv", bytes))
  }

  @Test("random tables of short records in odd places")
  func random() throws {
    var random = PhiloxStream(seed: 5, purpose: .syntheticData)
    for seed in 0..<6 {
      let width = Int(random.next(below: 6)) + 2
      let withWords = random.next(below: 2) == 0
      let end = ["\n", "\r\n"][Int(random.next(below: 2))]
      let table = rows(40_000 + 200_000 / width, seed: UInt64(seed), end: end) { index, random in
        (0..<width).map { column in
          column == width - 1
            ? "\(random.next(below: 3))"
            : withWords && column == 1 ? "w\(random.next(below: 40))" : Self.number(&random)
        }.joined(separator: ";") + (random.next(below: 50) == 0 ? end : "")
      }
      try check(path: tables.folder.write("t.csv", table))
    }
  }
}
