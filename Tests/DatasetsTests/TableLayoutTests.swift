// SPDX-License-Identifier: Apache-2.0
import Datasets
import Failures
import TestSupport
import Testing

@Suite("Headers and columns of tables")
struct TableLayoutTests {
  let tables: TableFixture

  init() throws { tables = try TableFixture() }

  // MARK: Headers

  @Test(
    "the first record is a header if it is text above numbers, counts up, or is not repeated among words",
    arguments: [
      // Text above numbers, in one column at least.
      "a,b,y\n1,2,p\n3,4,q\n", "1,b,2\n1,2,3\n4,5,6\n", "a,b,y\n1,,p\n2,r,q\n,q,q\n",
      "a,b,y\nNA,2,p\nNA,4,q\n",
      // Counting up, but for the last.
      "0,1,2,label\n5,6,7,0\n7,8,9,1\n", "0,1,2,3\n5,6,7,0\n7,8,9,1\n", "0,1,y\n5,6,0\n7,8,1\n",
      ",0,1,y\n0,5,6,0\n1,7,8,1\n", "0,1\n5,0\n6,1\n",
      // A table of words.
      "color,size,y\nred,big,p\nred,small,q\nblue,big,p\n", ",size,y\nred,big,p\nred,small,q\n",
    ])
  func headers(text: String) throws {
    let data = try tables.load(text) { $0.targets = .automatic }
    #expect(try data.known.hasHeader)
    #expect(data.training.rows == text.split(separator: "\n").count - 1)
  }

  @Test(
    "the first record is a row if it is like the others",
    arguments: [
      "1,2,p\n3,4,q\n", "1,2,3\n4,5,6\n", "0,0,0\n1,1,1\n", "0,2,1\n1,1,2\n",
      "?,2,p\n1,3,q\n2,3,q\n", "NA,2,p\n1,3,q\n",
      "red,big,p\nred,small,q\nblue,big,p\n", "5,6,p\n?,1,q\n", "1,x,p\ny,x,q\n",
      "True,1,p\nFalse,2,q\n", "S,1,2\nD,3,4\nS,5,6\n",
    ])
  func noHeaders(text: String) throws {
    let data = try tables.load(text)
    #expect(try !data.known.hasHeader)
    #expect(data.training.rows == text.split(separator: "\n").count)
    #expect(try data.known.columns.allSatisfy { $0.name.isEmpty })
  }

  @Test("an option decides about the header, and so does a column that is named by it")
  func chosenHeaders() throws {
    let numbers = "1,2,3\n4,5,6\n7,8,9\n"
    #expect(try tables.load(numbers).training.rows == 3)
    let header = try tables.load(numbers) { $0.table.header = true }
    #expect(header.training.rows == 2)
    #expect(try header.known.columns.map(\.name) == ["1", "2", "3"])
    let words = "color,y\nred,p\nblue,q\nblue,p\n"
    #expect(try tables.load(words) { $0.table.header = false }.training.rows == 4)
    // Words repeat, so that nothing but the option says that this is a header.
    let repeated = "a,b,y\nb,a,p\na,b,q\na,a,y\n"
    #expect(try !tables.load(repeated).known.hasHeader)
    let named = try tables.load(repeated) { $0.table.target = ["y"] }
    #expect(try named.known.hasHeader)
    #expect(named.training.rows == 3)
  }

  @Test("records far below the first ones decide about a header, too")
  func lateContradiction() throws {
    // Of 3,000 rows only the last repeats a word of the first.
    let rows = (0..<3000).map { "w\($0 % 7),\($0 % 2 == 0 ? "p" : "q")\n" }.joined()
    #expect(try tables.load("color,kind\n" + rows).known.hasHeader)
    let late = try tables.load("color,kind\n" + rows + "color,p\n")
    #expect(try !late.known.hasHeader)
    #expect(late.training.rows == 3002)
    #expect(late.training.labels == ["kind", "p", "q"])
    // A word far down makes a column one of words; the other column still says that there is a header.
    let mixed = (0..<3000).map { "\($0 % 9),\($0 % 2)\n" }.joined()
    let words = try tables.load("a,y\n" + mixed + String(repeating: "x,1\n", count: 400))
    #expect(try words.known.hasHeader)
    #expect(try words.known.category(0)?.levels == (0..<9).map { "\($0)" } + ["x"])
  }

  @Test(
    "the first line of scikit-learn's own files, with the numbers of rows and features, is no row")
  func counts() throws {
    let data = try tables.load("3,2,setosa,virginica\n1,2,0\n3,4,1\n5,6,0\n")
    #expect(data.training.featureRows == [[1, 2], [3, 4], [5, 6]])
    #expect(try !data.known.hasHeader)
    #expect(data.notices.contains { $0.contains("scikit-learn's own files") })
    let wide = try tables.load("3,3,malignant,benign\n1,2,7,0\n3,4,7,1\n5,6,8,0\n")
    #expect(wide.training.columns == 3 && wide.training.rows == 3)
    let message = try tables.refusal("3,2,setosa,virginica\n1,2,0\n3,1e99,1\n5,6,0\n")
    #expect(message.contains("in line 3"), "\(message)")
    // Another number of columns, or words below: a row as any other.
    #expect(try tables.load("3,4,p,q\n1,2,a,q\n3,4,p,b\n5,6,p,b\n").training.rows == 4)
  }

  // MARK: Columns

  @Test("columns are named, or numbered from 1; a number is a name only if the header has it")
  func naming() throws {
    let text = "7,b,\"c, d\",2,y\n1,2,3,4,0\n5,6,7,8,1\n9,9,9,9,1\n"
    func features(_ names: [String]) throws -> [[Float]] {
      try tables.load(text) { $0.table.features = names }.training.featureRows
    }
    #expect(try features(["b"]) == [[2], [6], [9]])
    #expect(try features(["c, d", "7"]) == [[1, 3], [5, 7], [9, 9]])
    // The header has a column 2, which is the fourth; the third has no such name.
    #expect(try features(["2"]) == [[4], [8], [9]])
    #expect(try features(["3"]) == [[3], [7], [9]])
    #expect(try features([" b "]) == [[2], [6], [9]])
    let target = try tables.load(text) { $0.table.target = ["1"] }
    #expect(try target.known.targetColumns == [0])
    #expect(try target.known.hasHeader)
  }

  @Test("features, ignored columns and targets are kept apart, and the last column is the target")
  func roles() throws {
    let text = "a,b,c,y,z\n1,2,3,0,6\n4,5,6,1,7\n7,8,9,0,8\n"
    let data = try tables.load(text) { $0.table.ignored = ["z", "b"] }
    #expect(data.training.featureRows == [[1, 3], [4, 6], [7, 9]])
    #expect(try data.known.targetColumns == [3])
    #expect(try data.known.ignored == ["b (--ignore)", "z (--ignore)"])
    let some = try tables.load(text) {
      $0.table.features = ["c", "a"]
      $0.table.target = ["y"]
    }
    #expect(some.training.featureRows == [[1, 3], [4, 6], [7, 9]])
    #expect(try some.known.ignored == ["b (not in --features)", "z (not in --features)"])
  }

  @Test(
    "columns that can't be found, or are named for two purposes, are refused with status 64",
    arguments: [
      (["target": "x"], "--target x: no such column in t.csv; it has a, b, a, y"),
      (["ignore": "5"], "--ignore 5: no such column in t.csv; it has a, b, a, y"),
      (["features": "0"], "--features 0: no such column in t.csv; it has a, b, a, y"),
      (["categorical": "-1"], "--categorical -1: no such column in t.csv; it has a, b, a, y"),
      (
        ["features": "a"],
        "--features a: 2 columns of t.csv have that name; name it by its number, 1 or 3"
      ),
      (["target": "y", "ignore": "4"], "--target y: the column is ignored by --ignore, too"),
      (["features": "y"], "--features: y is the target; name another one with --target"),
      (["target": "b", "features": "b"], "--features: b is the target"),
    ])
  func refused(columns: [String: String], problem: String) throws {
    let path = try tables.folder.write("t.csv", "a,b,a,y\n1,2,3,0\n4,5,6,1\n7,8,9,0\n")
    let error = refusal(
      .table(path: path),
      TableFixture.options {
        $0.table.target = columns["target"].map { [$0] } ?? []
        $0.table.features = columns["features"].map { [$0] } ?? []
        $0.table.ignored = columns["ignore"].map { [$0] } ?? []
        $0.table.categorical = columns["categorical"].map { [$0] } ?? []
      })
    #expect(error?.exitStatus == .usage)
    let message = error?.description.replacing(path, with: "t.csv") ?? ""
    #expect(message.hasPrefix(problem), "\(message)")
  }

  @Test("a table without names is said to have none, and a column may be named only once")
  func refusedWithoutNames() throws {
    let text = "1,2,0\n3,4,1\n5,6,0\n"
    #expect(
      try tables.refusal(text) { $0.table.target = ["y"] }
        == "--target y: no such column in t.csv; it has 3 columns without names: use numbers from 1"
    )
    #expect(
      try tables.refusal(text) { $0.table.ignored = ["1", "1"] }
        == "--ignore 1: the column is named twice")
    #expect(try tables.refusal(text) { $0.table.ignored = ["1", "2"] }.contains("feature"))
    #expect(
      try tables.refusal(text) { $0.table.ignored = ["1", "2", "3"] }.contains("all columns"))
  }

  // MARK: Index columns and empty columns

  @Test(
    "a first column without a name that counts up by 1 is left out with a notice",
    arguments: [("", 0), ("Unnamed: 0", 0), ("", 17)])
  func index(name: String, first: Int) throws {
    let rows = (0..<30).map { "\(first + $0),\($0 % 4),\($0 % 2)\n" }.joined()
    let data = try tables.load("\(name),a,y\n" + rows)
    #expect(data.training.columns == 1)
    let column = name.isEmpty ? "column 1" : name
    #expect(try data.known.ignored == ["\(column) (counts up by 1: an index)"])
    #expect(
      data.notices.contains(
        "\(column) counts up by 1 and has no name: it is left out as an index; to use it, list it in "
          + "--features"), "\(data.notices)")
  }

  @Test(
    "a first column with a name, or that does not count up by 1 to the end, is a feature",
    arguments: [
      ("count", 1, 0), ("", 2, 0), ("", 1, 1), ("", 1, 29),
    ])
  func noIndex(name: String, step: Int, broken: Int) throws {
    let rows = (0..<30).map { row in
      "\(row * step + (broken > 0 && row >= broken ? 1 : 0)),\(row % 4),\(row % 2)\n"
    }.joined()
    let data = try tables.load("\(name),a,y\n" + rows)
    #expect(data.training.columns == 2)
    #expect(try data.known.ignored == [])
  }

  @Test("an index that --features lists, or that is the only feature, is used")
  func wantedIndex() throws {
    let rows = (0..<30).map { "\($0),\($0 % 4),\($0 % 2)\n" }.joined()
    let listed = try tables.load(",a,y\n" + rows) { $0.table.features = ["1", "a"] }
    #expect(listed.training.columns == 2)
    let alone = try tables.load((0..<30).map { "\($0),\($0 % 2)\n" }.joined())
    #expect(alone.training.columns == 1)
  }

  @Test("a column that looks like an id is used, with a notice")
  func ids() throws {
    let ids = (0..<40).map { 1_000_000 + $0 * 7919 % 9973 }
    let rows = ids.enumerated().map { "\($1),\($0 % 4),\($0 % 5),\($0 % 2)\n" }.joined()
    let plain = try tables.load(rows)
    #expect(plain.training.columns == 3)
    #expect(
      plain.notices.contains("column 1 looks like an id: leave it out with --ignore 1"),
      "\(plain.notices)")
    for name in ["id", "user_id", "PassengerId", "customer id"] {
      let named = try tables.load("\(name),a,b,y\n" + rows)
      let option = name.contains(" ") ? "'\(name)'" : name
      #expect(
        named.notices.contains("\(name) looks like an id: leave it out with --ignore \(option)"),
        "\(named.notices)")
    }
    let other = try tables.load("price,a,b,y\n" + rows)
    #expect(!other.notices.contains { $0.contains("id:") })
  }

  @Test("last columns without a name and a value are dropped with a notice")
  func emptyEnd() throws {
    let data = try tables.load("a,b,y,,\n1,2,0,,\n3,4,1,,\n5,6,1,,\n")
    #expect(data.training.featureRows == [[1, 2], [3, 4], [5, 6]])
    #expect(try data.known.targetColumns == [2])
    #expect(data.notices.count { $0.hasSuffix("has no name and no values: it is left out") } == 2)
    let plain = try tables.load("1,2,0,\n3,4,1,\n5,6,1,\n")
    #expect(try plain.known.targetColumns == [2])
    // With a name, it is the target, all of whose cells are missing.
    #expect(try tables.refusal("a,b,y\n1,2,\n3,4,\n").contains("2 rows have no target"))
  }

  @Test("a column without a single value is left out with a notice")
  func noValues() throws {
    let data = try tables.load("a,b,y\n1,NA,0\n2,,1\n3,?,0\n")
    #expect(data.training.featureRows == [[1], [2], [3]])
    #expect(try data.known.ignored == ["b (no values)"])
    #expect(data.notices.contains("b has no values: it is left out"))
  }
}
