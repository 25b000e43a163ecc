// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import NeuralCore
import TestSupport
import Testing

@Suite("Missing cells and categories of tables")
struct CategoryTests {
  let tables: TableFixture

  init() throws { tables = try TableFixture() }

  // MARK: Missing cells

  static let markers = [
    "", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?", " ? ", "\"\"", "\"NA\"",
  ]

  @Test(
    "each marker of a missing cell is filled with the mean of the training rows", arguments: markers
  )
  func filled(marker: String) throws {
    let data = try tables.load("a,b,y\n1,2,p\n\(marker),4,q\n4,6,p\n")
    #expect(data.training.featureRows == [[1, 2], [2.5, 4], [4, 6]])
    #expect(try data.known.fill(0) == 2.5 && data.known.columns[0].missingCells == 1)
    #expect(try data.known.columns[1].missingCells == 0)
  }

  @Test("other words are no markers", arguments: ["-", "na", "none", "Null", "missing", "NAN"])
  func noMarkers(word: String) throws {
    let data = try tables.load("a,b,y\n1,2,p\n\(word),4,q\n4,6,p\n")
    #expect(try data.known.category(0)?.levels.contains(word) == true)
  }

  @Test("the mean is that of the training rows only, and missing cells are counted there")
  func heldOut() throws {
    let cells = (0..<100).map { $0 % 5 == 0 ? "" : "\($0 * $0)" }
    let data = try tables.load("a,y\n" + cells.enumerated().map { "\($1),\($0 % 2)\n" }.joined()) {
      $0.heldOutFraction = 0.3
      $0.seed = 4
    }
    let rows = DataSplit.split(rows: 100, fraction: 0.3, seed: 4).training.map { Int($0) }
    let numbers = rows.filter { $0 % 5 != 0 }.map { Double($0 * $0) }
    let mean = numbers.reduce(0, +) / Double(numbers.count)
    #expect(try data.known.fill(0) == mean)
    #expect(try data.known.columns[0].missingCells == rows.count - numbers.count)
    // Cells of held-out rows are filled with the same number.
    #expect(
      (0..<100).allSatisfy {
        data.training.features[$0] == Float($0 % 5 == 0 ? mean : Double($0 * $0))
      })
  }

  @Test("rows with a missing cell are dropped with --missing drop, and the rest is unchanged")
  func drop() throws {
    let data = try tables.load("a,w,y\n1,red,p\n,red,q\n3,?,p\n4,blue,q\n5,red,p\n") {
      $0.table.missing = .drop
    }
    #expect(data.training.featureRows == [[1, 0, 1], [4, 1, 0], [5, 0, 1]])
    #expect(data.training.classIndices == [0, 1, 0])
    #expect(data.notices.contains("2 rows with missing cells are left out (--missing drop)"))
    let all = try tables.refusal("a,b,y\n,2,p\n1,,q\n") { $0.table.missing = .drop }
    #expect(all.hasPrefix("all 2 rows have missing cells"), "\(all)")
  }

  @Test("missing cells of columns that are left out drop no row")
  func dropIgnored() throws {
    let data = try tables.load("a,w,y\n1,,p\n2,x,q\n") {
      $0.table.missing = .drop
      $0.table.ignored = ["w"]
    }
    #expect(data.training.rows == 2)
  }

  @Test("--missing refuse lists all columns with missing cells, their number and the first line")
  func refuse() throws {
    let message = try tables.refusal("a,b,w,y\n1,,x,p\n2,3,x,q\nNA,,?,p\n4,5,z,q\n") {
      $0.table.missing = .refuse
    }
    #expect(
      message
        == "a: 1 missing (first in line 4), b: 2 missing (first in line 2), w: 1 missing (first in "
        + "line 4): --missing refuse takes no missing cells; fill them in, or use mean or drop")
    #expect(
      try tables.load("a,y\n1,p\n2,q\n") { $0.table.missing = .refuse }.training.rows == 2)
  }

  // MARK: Categories

  @Test("words are one column per level of the training rows, in the order of their bytes")
  func levels() throws {
    let data = try tables.load(
      "w,y\nb,0\na,1\nZ,0\nö,1\n10,0\n9,1\na,1\nz,0\nab,0\nb,1\nZ,1\n9,0\n")
    let levels = ["10", "9", "Z", "a", "ab", "b", "z", "ö"]
    #expect(try data.known.category(0)?.levels == levels)
    let words = ["b", "a", "Z", "ö", "10", "9", "a", "z", "ab", "b", "Z", "9"]
    #expect(
      data.training.featureRows
        == words.map { word in levels.map { $0 == word ? 1 : 0 } })
  }

  @Test("levels of held-out rows only are all zeros")
  func heldOutLevels() throws {
    let rows = DataSplit.split(rows: 40, fraction: 0.25, seed: 0)
    let held = Set(rows.heldOut.map { Int($0) })
    let cells = (0..<40).map { held.contains($0) ? "held" : "w\($0 % 3)" }
    let data = try tables.load("w,y\n" + cells.enumerated().map { "\($1),\($0 % 2)\n" }.joined()) {
      $0.heldOutFraction = 0.25
    }
    #expect(try data.known.category(0)?.levels == ["w0", "w1", "w2"])
    #expect(
      data.training.featureRows
        == cells.map { cell in ["w0", "w1", "w2"].map { $0 == cell ? 1 : 0 } })
  }

  @Test("missing cells of a category are a level of their own, the last")
  func missingLevel() throws {
    let data = try tables.load("w,a,y\nx,1,0\n?,2,1\nz,3,0\n,4,1\nx,5,0\n")
    let category = try #require(try data.known.category(0))
    #expect(category.levels == ["x", "z"] && category.hasMissing)
    #expect(
      data.training.featureRows
        == [[1, 0, 0, 1], [0, 0, 1, 2], [0, 1, 0, 3], [0, 0, 1, 4], [1, 0, 0, 5]])
  }

  @Test("above --max-levels the rarest levels share one input, ties in the order of bytes")
  func rare() throws {
    let counts = [("e", 1), ("d", 3), ("c", 5), ("b", 1), ("a", 2), ("f", 2)]
    let words = counts.flatMap { Array(repeating: $0.0, count: $0.1) }
    let text = "w,y\n" + words.enumerated().map { "\($1),\($0 % 2)\n" }.joined()
    let data = try tables.load(text) { $0.table.maxLevels = 4 }
    let category = try #require(try data.known.category(0))
    #expect(category.levels == ["a", "c", "d"] && category.rare == ["b", "e", "f"])
    #expect(data.training.columns == 4)
    #expect(
      data.training.featureRows
        == words.map { word in
          ["a", "c", "d"].map { $0 == word ? 1 : 0 } + [["b", "e", "f"].contains(word) ? 1 : 0]
        })
    #expect(try tables.load(text) { $0.table.maxLevels = 6 }.known.category(0)?.rare == [])
    // The input of missing cells counts, too.
    let missing = try tables.load(text + ",1\n") { $0.table.maxLevels = 4 }
    let with = try #require(try missing.known.category(0))
    #expect(with.levels == ["c", "d"] && with.hasMissing && missing.training.columns == 4)
  }

  @Test("numbers are categories if --categorical says so")
  func categorical() throws {
    let data = try tables.load("zip,a,y\n10,1,0\n9,2,1\n10,3,1\n") {
      $0.table.categorical = ["zip"]
    }
    #expect(try data.known.category(0)?.levels == ["10", "9"])
    #expect(data.training.featureRows == [[1, 0, 1], [0, 1, 2], [1, 0, 3]])
  }

  @Test("doubled quotes and line breaks are parts of levels")
  func quotedLevels() throws {
    let data = try tables.load("w,y\n\"a \"\"1\"\"\",0\n\"b\nc\",1\n\"a \"\"1\"\"\",1\n")
    #expect(try data.known.category(0)?.levels == ["a \"1\"", "b\nc"])
    #expect(data.training.featureRows == [[1, 0], [0, 1], [1, 0]])
  }

  @Test("True and False are numbers in any usual case, and next to other words they are words")
  func booleans() throws {
    let data = try tables.load("a,y\nTrue,p\nfalse,q\nTRUE,q\n0,p\n1,q\nFalse,p\n")
    #expect(data.training.featureRows == [[1], [0], [1], [0], [1], [0]])
    let words = try tables.load("a,y\nTrue,p\nfalse,q\nunknown,q\nTrue,p\n")
    #expect(try words.known.category(0)?.levels == ["True", "false", "unknown"])
  }

  @Test("words among few distinct numbers make the column a category, wherever they are")
  func lateWord() throws {
    let rows = (0..<5000).map { "\($0 % 4),\($0 % 2)\n" }.joined()
    let words = (0..<2000).map { "many,\($0 % 2)\n" }.joined()
    let data = try tables.load("a,y\n" + rows + words + rows)
    #expect(try data.known.category(0)?.levels == ["0", "1", "2", "3", "many"])
    #expect(data.training.rows == 12000)
    #expect(data.training.featureRows[5000] == [0, 0, 0, 0, 1])
  }

  @Test("a word or two among numbers are taken for a mistake, unless an option says otherwise")
  func mistake() throws {
    let rows = (0..<5000).map { "\($0 % 4),\($0 % 2)\n" }.joined()
    let text = "a,y\n" + rows + "many,0\n" + rows
    #expect(
      try tables.refusal(text)
        == "a: 1 cell without a number (first \"many\" in line 5002): correct them, take the texts for "
        + "categories with --categorical a, or leave out the column with --ignore a")
    let data = try tables.load(text) { $0.table.categorical = ["a"] }
    #expect(try data.known.category(0)?.levels == ["0", "1", "2", "3", "many"])
    let target = try tables.refusal("a,y\n" + (0..<60).map { "1,\($0)\n" }.joined() + "1,many\n")
    #expect(target.hasPrefix("y: 1 cell without a number (first \"many\" in line 62)"), "\(target)")
    #expect(target.hasSuffix("with --loss cross-entropy"), "\(target)")
  }

  // MARK: Refusals

  @Test("columns of words that are nearly all distinct are refused together, with --ignore")
  func distinct() throws {
    let rows = (0..<300).map { "n\($0),\"model, \($0 / 1)\",\($0 % 5),\($0 % 2)\n" }.joined()
    let message = try tables.refusal("id,car name,a,y\n" + rows)
    #expect(
      message
        == "id: 300 distinct texts in 300 rows (first \"n0\" in line 2), car name: 300 distinct texts "
        + "in 300 rows (first \"model, 0\" in line 2): neither numbers nor categories; leave out the "
        + "columns with --ignore 'id,car name'", "\(message)")
    #expect(
      try tables.load("id,car name,a,y\n" + rows) { $0.table.ignored = ["id", "car name"] }
        .training.columns == 1)
    #expect(
      try tables.load("id,car name,a,y\n" + rows) {
        $0.table.ignored = ["id"]
        $0.table.categorical = ["car name"]
      }.training.columns == 257)
  }

  @Test(
    "dates are refused even if there are few, with --ignore",
    arguments: ["2024-03-0%d", "0%d.03.2024", "2024/3/%d", "2024-03-0%d 10:00:00", "3/%d/24"])
  func dates(format: String) throws {
    let rows = (0..<40).map { String(format: format, 1 + $0 % 4) + ",\($0 % 5),\($0 % 2)\n" }
    let message = try tables.refusal("when,a,y\n" + rows.joined())
    #expect(message.hasPrefix("when: 4 distinct dates in 40 rows (first "), "\(message)")
    #expect(message.contains("--ignore when"), "\(message)")
  }

  @Test("an id and a date are named in one message")
  func idAndDate() throws {
    let rows = (0..<150).map {
      String(format: "u%04d,2024-03-%02d 10:00:00,%d,%d\n", $0, 1 + $0 % 28, $0 % 2, $0 % 7)
    }
    let message = try tables.refusal("id,timestamp,label,a\n" + rows.joined()) {
      $0.table.target = ["label"]
    }
    #expect(message.hasPrefix("id: 150 distinct "), "\(message)")
    #expect(message.contains("timestamp: 28 distinct "), "\(message)")
    #expect(message.contains("--ignore id,timestamp"), "\(message)")
  }

  @Test(
    "numbers in another notation are named as what they look like",
    arguments: [
      ("1,234", "a thousands separator"), ("1,234,567.5", "a thousands separator"),
      ("0,125", "a decimal comma"), ("12,5", "a decimal comma"), ("-0,44", "a decimal comma"),
      (",5", "a decimal comma"),
      ("1.234,5", "a decimal comma and thousands separators"), ("13%", "a percent sign"),
      ("13.5 %", "a percent sign"), ("$5", "a currency sign"), ("€ 5.30", "a currency sign"),
      ("5 £", "a currency sign"),
    ])
  func foreign(text: String, kind: String) throws {
    let rows = (0..<30).map { "\($0);\($0 % 3 == 0 ? text : "\($0)");\($0 % 2)\n" }.joined()
    let message = try tables.refusal("a;b;y\n" + rows)
    #expect(
      message
        == "b: 10 cells with \(kind) (first \"\(text)\" in line 2): write numbers with a decimal "
        + "point, without separators or units, take the texts for categories with --categorical b, or "
        + "leave out the column with --ignore b",
      "\(message)")
  }

  @Test("all that is wrong with a table is in one message, of all columns")
  func everything() throws {
    var rows = (0..<200).map { "\($0),\($0 * 2),\($0),t\($0),\($0 % 2)" }
    rows[10] = "1e99,x,5%,t10,0"
    rows[20] = "1,2,3,t20,"
    rows[30] = "-1e99,y,4%,t30,1"
    rows[199] = "1e60,z,7%,t199,1"
    let message = try tables.refusal("a,b,c,d,y\n" + rows.joined(separator: "\n"))
    for part in [
      "a: 3 cells not finite in Float32 (first \"1e99\" in line 12)",
      "b: 3 cells without a number (first \"x\" in line 12)",
      "c: 3 cells with a percent sign (first \"5%\" in line 12)",
      "d: 200 distinct texts in 200 rows (first \"t0\" in line 2)",
      "y: 1 row has no target (first in line 22)",
    ] { #expect(message.contains(part), "\(part) in \(message)") }
    #expect(!message.contains("\n"))
  }
}
