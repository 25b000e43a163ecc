// SPDX-License-Identifier: Apache-2.0
import Datasets
import Failures
import Foundation
import NeuralCore
import TestSupport
import Testing

@Suite("Text of tables")
struct TableTextTests {
  let tables: TableFixture

  init() throws { tables = try TableFixture() }

  // MARK: Records

  @Test(
    "lines end in LF, CRLF or CR, the last one in nothing, and blank lines are no records",
    arguments: ["\n", "\r\n", "\r"], ["", "END"])
  func lineEnds(end: String, last: String) throws {
    let lines = ["", "a,b,y", "1,2,p", "", "   ", "3,4,q", "5,6,p"]
    let text = lines.joined(separator: end) + (last.isEmpty ? "" : end + end)
    let data = try tables.load(text)
    #expect(data.training.featureRows == [[1, 2], [3, 4], [5, 6]])
    #expect(data.training.classIndices == [0, 1, 0])
    #expect(try data.known.columns.map(\.name) == ["a", "b", "y"])
  }

  @Test("different line ends may follow one another")
  func mixedLineEnds() throws {
    let data = try tables.load("1,p\r\n2,q\n3,p\r4,q\r\r\n5,p")
    #expect(data.training.featureRows == [[1], [2], [3], [4], [5]])
  }

  @Test("blanks around fields are no part of them, in names, words and numbers")
  func blanksAround() throws {
    let data = try tables.load(" a , b c ,\ty\n 1 , red ,  p \n2, red,q  \n  3,blue ,p\n")
    #expect(try data.known.columns.map(\.name) == ["a", "b c", "y"])
    #expect(data.training.featureRows == [[1, 0, 1], [2, 0, 1], [3, 1, 0]])
    #expect(data.training.labels == ["p", "q"])
  }

  @Test("quoted fields hold separators, doubled quotes and line breaks")
  func quotes() throws {
    let data = try tables.load(
      "w,\"a \"\"b\"\", c\",y\n\"x, 1\",1,p\n\"x\n2\", 2 ,\"q\"\"\"\n\"x, 1\" , 3 ,p\n")
    #expect(try data.known.columns.map(\.name) == ["w", "a \"b\", c", "y"])
    #expect(try data.known.category(0)?.levels == ["x\n2", "x, 1"])
    #expect(data.training.labels == ["p", "q\""])
    #expect(data.training.featureRows == [[0, 1, 1], [1, 0, 2], [0, 1, 3]])
  }

  @Test("the line of a record counts the line breaks in the quoted fields before it")
  func lineNumbers() throws {
    let message = try tables.refusal("w,a,y\n\"1\n2\n3\",1,p\nx,1e99,q\n")
    #expect(message.contains("in line 5"), "\(message)")
  }

  @Test(
    "records that lie across the borders of the reading buffer are read whole",
    arguments: ["\n", "\r\n"])
  func borders(end: String) throws {
    // Over 3 MiB of records of all lengths, some quoted, and one longer than the first buffer.
    var text = "id,word,number,y\(end)"
    var expected: [Float] = []
    var words = 0
    for row in 0..<40_000 {
      let isLong = row == 30_000
      let word =
        isLong
        ? "\"" + String(repeating: "ab\n", count: 600_000) + "\""
        : row % 7 == 0 ? "\"w,\(row % 50)\"" : "w\(String(repeating: "x", count: row % 60))"
      text += "\(row),\(word),\(Float(row) / 8)\(row % 3 == 0 ? " " : ""),\(row % 2)\(end)"
      expected.append(Float(row) / 8)
      words += 1
    }
    let data = try tables.load(text) { $0.table.ignored = ["word", "id"] }
    #expect(data.training.rows == words)
    #expect(Array(data.training.features.elements) == expected)
    #expect(data.training.classIndices == (0..<words).map { $0 % 2 })
  }

  @Test("a record of more than 64 MiB is refused with a hint at a missing quote")
  func endless() throws {
    let rest = String(repeating: "1,2,p\n", count: 12_000_000)
    let message = try tables.refusal("1,2,p\n3,4,q\n5,\"6,p\n" + rest) {
      $0.table.separator = .comma
    }
    #expect(message.contains("line 3"), "\(message)")
    #expect(message.contains("quote"), "\(message)")
  }

  @Test("a record with another number of fields is refused with its line, also far down the file")
  func uneven() throws {
    let rows = (0..<5000).map { "\($0),\($0 % 7),p\n\($0),1,q\n" }.joined()
    for (record, fields) in [("1,2\n", 2), ("1,2,p,4\n", 4), ("1,2,p,\n", 4)] {
      let message = try tables.refusal(rows + record + "1,2,p\n")
      #expect(
        message
          == "t.csv, line 10001: \(fields) fields separated by comma, expected 3: correct the line, or "
          + "put fields with a comma inside in double quotes", "\(message)")
    }
  }

  // MARK: Separators

  @Test(
    "the separator is found out",
    arguments: [
      (TableSeparator.comma, "a,b,y\n1,2,p\n3,4,q\n"),
      (.semicolon, "a;b;y\n1;2;p\n3;4;q\n"),
      (.tab, "a\tb\ty\n1\t2\tp\n3\t4\tq\n"),
      (.bar, "a|b|y\n1|2|p\n3|4|q\n"),
      (.blanks, "a b y\n1  2 p\n   3 4   q  \n"),
      (.blanks, "a\t b y \n1 \t2 p\n3 4\tq\t\n"),
    ])
  func separators(separator: TableSeparator, text: String) throws {
    let data = try tables.load(text)
    #expect(try data.known.separator == separator)
    #expect(data.training.featureRows == [[1, 2], [3, 4]])
    #expect(data.training.labels == ["p", "q"])
    let named = try tables.load(text) { $0.table.separator = separator }
    #expect(try named.known == data.known)
    #expect(named.training.contentHash == data.training.contentHash)
  }

  @Test("a separator inside quoted fields, names or words is not taken for the table's")
  func decoys() throws {
    let names = try tables.load("a b;c d;y z\n1;2;p\n3;4;q\n")
    #expect(try names.known.separator == .semicolon)
    let words = try tables.load(
      "name;a;y\n\"x, y\";1;p\n\"x, z\";2;q\n\"x, y\";3;p\n\"x, y\";4;p\n")
    #expect(try words.known.separator == .semicolon)
    let times = try tables.load("t|a|y\n10:00 am|1|p\n11:00 am|2|q\n10:00 am|3|p\n")
    #expect(try times.known.separator == .bar)
    let dates = try tables.load(
      "t,a,y\n2024-01-01 10:00,1,p\n2024-01-01 10:00,2,q\n2024-01-01 10:00,3,p\n"
    ) { $0.table.ignored = ["t"] }
    #expect(try dates.known.separator == .comma)
  }

  @Test("empty fields between tabs are missing, and a run of blanks is one separator")
  func emptyFields() throws {
    let tabs = try tables.load("1\t\tp\n\t2\tq\n3\t4\tp\n")
    #expect(tabs.training.featureRows == [[1, 3], [2, 2], [3, 4]])
    let bars = try tables.load("1||p\n|2|q\n3| |p\n5|6|q\n")
    #expect(bars.training.featureRows == [[1, 4], [3, 2], [3, 4], [5, 6]])
  }

  @Test(
    "separators have names, and may be given as they are",
    arguments: [
      (",", TableSeparator.comma), (";", .semicolon), ("\t", .tab), ("\\t", .tab), ("|", .bar),
      (" ", .blanks), ("Comma", .comma), ("TAB", .tab), ("blanks", .blanks), ("bar", .bar),
    ])
  func names(text: String, separator: TableSeparator) {
    #expect(TableSeparator(named: text) == separator)
    #expect(TableSeparator(named: "comma,") == nil && TableSeparator(named: "") == nil)
  }

  // MARK: Encodings

  @Test("a table in UTF-16 is refused with how to convert it", arguments: [true, false])
  func utf16(hasMark: Bool) throws {
    for encoding in [String.Encoding.utf16LittleEndian, .utf16BigEndian] {
      let text = (hasMark ? "\u{FEFF}" : "") + "a,b,y\n1,2,p\n3,4,q\n"
      let bytes = try #require(text.data(using: encoding))
      let path = try tables.folder.write("t.csv", Array(bytes))
      let error = refusal(.table(path: path), TableFixture.options())
      #expect(
        error?.description
          == "\(path): it is in UTF-16: convert it with iconv -f UTF-16 -t UTF-8 \(path) > FILE.csv"
      )
      #expect(error?.exitStatus == .badData)
    }
  }

  @Test("bytes that are no UTF-8 are refused with their line and how to convert them")
  func latin1() throws {
    var bytes = Array("größe,b,y\n1,2,p\n3,4,q\n".utf8)
    _ = try tables.load(bytes)
    bytes = Array("a,b,y\n1,2,p\n3,4,".utf8) + [0x4B, 0xE4, 0x73, 0x65, 10] + Array("1,2,p\n".utf8)
    let path = try tables.folder.write("t.csv", bytes)
    #expect(
      refusal(.table(path: path), TableFixture.options())?.description
        == "\(path), line 3: it is not in UTF-8, but most likely in Latin-1 or Windows-1252: convert it "
        + "with iconv -f WINDOWS-1252 -t UTF-8 \(path) > FILE.csv")
  }

  @Test("a file that is no text is refused as such")
  func binary() throws {
    let message = try tables.refusal(String(repeating: "a\u{0}b,\u{1}", count: 100))
    #expect(message.contains("neither a text nor"), "\(message)")
  }

  @Test("compressed tables are read by their content, several members one after another too")
  func compressed() throws {
    let first = try compress(tables.folder.write("a.csv", "a,y\n1,p\n2,q\n"))
    let second = try compress(tables.folder.write("b.csv", "3,p\n4,q\n"))
    let bytes = try tables.folder.bytes(of: "a.csv.gz") + tables.folder.bytes(of: "b.csv.gz")
    #expect(first != second)
    #expect(try tables.load(bytes).training.featureRows == [[1], [2], [3], [4]])
  }
}
