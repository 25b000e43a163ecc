// SPDX-License-Identifier: Apache-2.0
import Datasets
import Failures
import Foundation
import NeuralCore
import TestSupport
import Testing

@Suite("New tables for a model")
struct NewTableTests {
  let tables: TableFixture

  init() throws { tables = try TableFixture() }

  /// A table with a category, missing cells and an ignored column.
  private static let training = """
    id,size,color,kind
    7,1,red,p
    3,2,blue,q
    9,?,red,p
    1,6,?,q

    """

  /// What the encoded rows of the table are: size, blue, red, missing.
  private static let rows: [[Float]] = [[1, 0, 1, 0], [2, 1, 0, 0], [3, 0, 1, 0], [6, 0, 0, 1]]

  private func schema(
    _ text: String = training, _ change: (inout LoadOptions) -> Void = { _ in }
  ) throws -> TableSchema {
    try tables.load(text) {
      $0.table.ignored = text == Self.training ? ["id"] : []
      change(&$0)
    }.known
  }

  // MARK: By name

  @Test(
    "with a header columns are found by name, in any order",
    arguments: [
      training,
      "kind,color,size\np,red,1\nq,blue,2\np,red,?\nq,?,6\n",
      "color;size;kind\nred;1;p\nblue;2;q\nred;;p\n;6;q\n",
      "size\tkind\tcolor\n1\tp\tred\n2\tq\tblue\n\tp\tred\n6\tq\tNA\n",
    ])
  func byName(text: String) throws {
    let rows = try tables.read(text, schema())
    #expect(rows.features == Self.rows)
    #expect(rows.classes == [0, 1, 0, 1])
    #expect(
      rows.notices.contains(
        "size: 1 cell missing (first in line 4), color: 1 cell missing (first in line 5): filled in"
      ) || text.hasPrefix("color") || text.hasPrefix("kind")
        || text.hasPrefix("size"), "\(rows.notices)")
  }

  @Test("extra columns are passed over with a notice")
  func extra() throws {
    let rows = try tables.read(
      "date,size,note,kind,color\n2024-01-01,1,hello,p,red\n2024-01-02,2,\"x,y\",q,blue\n", schema()
    )
    #expect(rows.features == [[1, 0, 1, 0], [2, 1, 0, 0]])
    #expect(
      rows.notices == ["columns that the model's table did not have are passed over: date, note"])
  }

  @Test("the features alone are enough to predict, but not to evaluate")
  func featuresOnly() throws {
    let text = "size,color\n1,red\n2,blue\n"
    #expect(try tables.read(text, schema(), readsTargets: false).features.count == 2)
    let message = try tables.newRefusal(text, schema())
    #expect(message.hasPrefix("it has no target: no column is named kind"), "\(message)")
    #expect(message.contains("--target"), "\(message)")
  }

  @Test("missing columns are refused with a list of them and of those that there are")
  func missing() throws {
    #expect(
      try tables.newRefusal("pressure,kind\n1,p\n2,q\n", schema())
        == "2 columns of the model are missing: size, color; it has pressure, kind")
    #expect(
      try tables.newRefusal("color,kind\nred,p\nblue,q\n", schema(), readsTargets: false)
        == "a column of the model is missing: size; it has color, kind")
  }

  @Test("of columns of the same name the first is the first")
  func duplicates() throws {
    let schema = try schema("a,b,a,y\n1,2,3,p\n4,5,6,q\n")
    let rows = try tables.read("y,a,a,b\np,10,30,20\nq,40,60,50\n", schema)
    #expect(rows.features == [[10, 20, 30], [40, 50, 60]])
    #expect(
      tables.newRefusal("y,a,b\np,10,20\nq,40,50\n", schema).contains("missing: a; it has y, a, b"))
  }

  @Test("another target column can be named")
  func otherTarget() throws {
    var options = TableOptions()
    options.target = ["class"]
    let text = "size,color,class\n1,red,q\n2,blue,p\n"
    #expect(try tables.read(text, schema(), options).classes == [1, 0])
    options.target = ["class", "size"]
    #expect(
      try tables.newRefusal(text, schema(), options)
        == "--target: 2 columns, but the model has 1 target")
    options.target = ["sort"]
    #expect(
      try tables.newRefusal(text, schema(), options).contains("--target sort: no such column"))
  }

  @Test("a header is known by the names in it, even above words or over a single row")
  func headerByNames() throws {
    let words = try schema("w,v,y\na,b,p\nc,d,q\na,b,p\n")
    let rows = try tables.read("v,w\nb,w\n", words, readsTargets: false)
    #expect(rows.features.count == 1)
    #expect(try tables.read("v,w,y\n", words).features.isEmpty)
  }

  // MARK: By place

  @Test("without a header columns are taken by their places, with and without the target")
  func byPlace() throws {
    let model = try schema("red,1,p,7\nblue,2,q,8\nred,3,p,9\n") {
      $0.table.target = ["3"]
    }
    let full = try tables.read("blue,5,q,7\nred,6,p,8\n", model)
    #expect(full.features == [[1, 0, 5, 7], [0, 1, 6, 8]] && full.classes == [1, 0])
    let some = try tables.read("blue,5,7\nred,6,8\n", model, readsTargets: false)
    #expect(some.features == full.features)
    let named = try tables.read("c,n,k,m\nblue,5,q,7\nred,6,p,8\n", model)
    #expect(named.features == full.features)
    #expect(named.notices == ["the model's table had no header: columns are taken by their places"])
  }

  @Test("a table without a header is read by a model of one with a header by place, too")
  func byPlaceOfNames() throws {
    let full = try tables.read("7,1,red,p\n3,2,blue,q\n9,,red,p\n1,6,,q\n", schema())
    #expect(full.features == Self.rows && full.classes == [0, 1, 0, 1])
    // An ignored column is no feature.
    let some = try tables.read("1,red\n2,blue\n", schema(), readsTargets: false)
    #expect(some.features == [[1, 0, 1, 0], [2, 1, 0, 0]])
  }

  @Test("any other number of columns is refused with both numbers that would do")
  func otherWidth() throws {
    #expect(
      try tables.newRefusal("1,2,3\n4,5,6\n", schema(), readsTargets: false)
        == "3 columns, but the model was trained on 4 and takes 2 features")
    #expect(
      try tables.newRefusal("1,2,3,4,5\n4,5,6,7,8\n", schema())
        == "5 columns, but the model was trained on 4 and takes 2 features")
  }

  @Test("a single feature without its target is a table of one column, with a header or without")
  func oneColumn() throws {
    let model = try schema("a,y\n1,p\n2,q\n3,p\n")
    #expect(try tables.read("5\n6\n", model, readsTargets: false).features == [[5], [6]])
    #expect(try tables.read("a\n5\n6\n", model, readsTargets: false).features == [[5], [6]])
    #expect(try tables.read("5\n", model, readsTargets: false).features == [[5]])
  }

  // MARK: Cells

  @Test("levels that no training row has are all zeros, counted in a notice with the first of them")
  func unseen() throws {
    let rows = try tables.read(
      "size,color,kind\n1,green,p\n2,red,q\n3,black,p\n", schema())
    #expect(rows.features == [[1, 0, 0, 0], [2, 0, 1, 0], [3, 0, 0, 0]])
    #expect(
      rows.notices == [
        "color: 2 cells with a level that was not in the training data (first \"green\" in line 2): "
          + "taken for no level"
      ])
  }

  @Test("a missing cell of a category that had none is all zeros, and rare levels share an input")
  func rare() throws {
    let model = try schema("w,y\na,0\na,1\nb,0\nb,1\nc,0\nd,1\n") { $0.table.maxLevels = 3 }
    let rows = try tables.read("w\na\nd\n\"\"\nc\n", model, readsTargets: false)
    #expect(rows.features == [[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 1]])
  }

  @Test("cells that are no numbers are refused at the end, all of them")
  func words() throws {
    let message = try tables.newRefusal(
      "size,color,kind\n1,red,p\nx,red,q\n\"1,5\",blue,q\n1e99,red,r\n3,red,\n", schema())
    for part in [
      "size: 2 cells without a number (first \"x\" in line 3)",
      "size: 1 cell too large for a Float32 (first \"1e99\" in line 5)",
      "kind: 1 cell without a target (first in line 6)",
      "kind: 1 cell with a label (first \"r\" in line 5) that is none of the classes p, q",
    ] { #expect(message.contains(part), "\(part) in \(message)") }
  }

  @Test("labels that are numbers are found by their value, others by their text")
  func labels() throws {
    let numbers = try schema("a,y\n1,0\n2,1\n3,0\n4,1\n")
    #expect(
      try tables.read("a,y\n1,1.0\n2,+1\n3,True\n4,0e3\n5,\"1\"\n", numbers).classes
        == [1, 1, 1, 0, 1])
    let words = try schema("a,y\n1,0\n2,1\n3,x\n4,1\n")
    #expect(try tables.read("a,y\n1,1\n2,x\n", words).classes == [1, 2])
    #expect(tables.newRefusal("a,y\n1,1.0\n2,x\n", words).contains("none of the classes 0, 1, x"))
  }

  @Test("targets that are numbers are standardized by the model's scale")
  func values() throws {
    let model = try schema("a,y\n1,0.5\n2,2.5\n3,4.5\n")
    let scale = model.scales[0]
    let rows = try tables.read("a,y\n1,0.5\n2,100\n3,-7.25\n", model)
    #expect(rows.values == [0.5, 100, -7.25].map { [Float(($0 - scale.mean) / scale.deviation)] })
    #expect(
      tables.newRefusal("a,y\n1,x\n2,2\n", model).contains(
        "without a number (first \"x\" in line 2)"))
  }

  @Test("with --missing drop rows are left out where they are evaluated, and refused to predict")
  func dropPolicy() throws {
    let model = try schema { $0.table.missing = .drop }
    let text = "size,color,kind\n1,red,p\n,red,q\n3,,p\n2,blue,q\n"
    let rows = try tables.read(text, model)
    #expect(rows.features == [[1, 0, 1], [2, 1, 0]] && rows.classes == [0, 1])
    let message = tables.newRefusal(text, model, readsTargets: false)
    #expect(message.contains("size: 1 cell missing (first in line 3)"), "\(message)")
    #expect(message.contains("color: 1 cell missing (first in line 4)"), "\(message)")
    #expect(message.contains("--missing drop"), "\(message)")
  }

  @Test("with --missing refuse a missing cell is refused")
  func refusePolicy() throws {
    let model = try schema("a,b,y\n1,2,p\n3,4,q\n") { $0.table.missing = .refuse }
    for readsTargets in [true, false] {
      let message = tables.newRefusal("a,b,y\n1,,p\n2,3,q\n", model, readsTargets: readsTargets)
      #expect(message.hasPrefix("b: 1 cell missing (first in line 2)"), "\(message)")
    }
  }

  // MARK: Columns passed through

  @Test("texts of any column are passed through, by name or number")
  func passing() throws {
    let rows = try tables.read(
      "size,note,color,id\n1,\"say \"\"hi\"\", you\",red,007\n2,,blue,1e3\n", schema(),
      readsTargets: false, passing: ["id", "2"])
    #expect(rows.passedNames == ["id", "note"])
    #expect(rows.passed == [["007", "say \"hi\", you"], ["1e3", ""]])
    let message = try tables.newRefusal(
      "size,color\n1,red\n2,red\n", schema(), readsTargets: false, passing: ["id"])
    #expect(message.hasPrefix("--columns id: no such column in new.csv"), "\(message)")
  }

  // MARK: The whole

  @Test("the rows of the training table itself are the same when they are read as a new table")
  func sameRows() throws {
    var text = "n,w,m,y\n"
    for row in 0..<500 {
      let number = row % 11 == 0 ? "" : "\(Float(row) / 7)"
      let word = row % 13 == 0 ? "?" : "w\(row * row % 17)"
      text += "\(number),\(word),\(row % 3)e-1,\(Double(row) * 1.1)\n"
    }
    let data = try tables.load(text)
    let path = try tables.folder.write("t.csv", text)
    var options = LoadOptions(targets: .numeric)
    options.schema = try data.known
    let again = try Dataset.load(.table(path: path), options)
    #expect(again.training.bytes == data.training.bytes)
    #expect(again.training.contentHash == data.training.contentHash)
    #expect(try again.known == data.known)
    options.targets = .absent
    let features = try Dataset.load(.table(path: path), options).training
    #expect(features.featureRows == data.training.featureRows && features.outputs == 0)
  }

  @Test("a schema is the same after it was written as JSON and read")
  func codable() throws {
    for text in [Self.training, "a;y\n1.25;0.1\n?;1e-7\n3;1e10\n", "1 x p\n2 y q\n3 x p\n"] {
      let schema = try schema(text)
      let json = try JSONEncoder().encode(schema)
      let read = try JSONDecoder().decode(TableSchema.self, from: json)
      #expect(read == schema && read.contentHash == schema.contentHash)
      #expect(read.isValid(inputs: read.width, outputs: read.outputs))
      #expect(!read.isValid(inputs: read.width + 1, outputs: read.outputs))
      #expect(!read.isValid(inputs: read.width, outputs: read.outputs + 1))
    }
  }
}
