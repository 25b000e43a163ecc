// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// Files in the layouts of those that people have, from the UCI repository, Kaggle and pandas.
@Suite("Tables as people have them")
struct TableCasesTests {
  let lockstep: TableCases
  let folder: TemporaryFolder
  static let quick = [
    "--epochs", "30", "--batch", "32", "--layers", "32", "--learning-rate", "0.01",
  ]

  init() throws {
    lockstep = try TableCases()
    folder = lockstep.folder
  }

  @Test("Semicolons and a quoted header are found out, and the last column is the target")
  func wine() throws {
    let names = (0..<11).map { "\"feature \($0)\"" }.joined(separator: ";") + ";\"quality\""
    try folder.write(
      "wine.csv", LinearRows(200, 11).text(header: names, separator: ";", classes: ["5", "6", "7"]))
    let shown = try lockstep.describe("wine.csv")
    for part in [
      "12 columns, separated by semicolon, with a header", "quality: 3 classes", "11 numeric",
    ] {
      #expect(shown.contains(part), "\(shown)")
    }
    #expect(try lockstep.train("wine.csv", Self.quick)["test_accuracy"] > 0.7)
  }

  @Test("A table is one whatever its suffix")
  func suffixes() throws {
    let rows = LinearRows(150, 4)
    let classes = ["Iris-setosa", "Iris-versicolor", "Iris-virginica"]
    try folder.write("iris.data", rows.text(classes: classes) + "\n")
    #expect(
      try lockstep.train("iris.data", ["--epochs", "5", "--batch", "32"]).numbers["test_loss"]
        != nil)
    #expect(try lockstep.describe("iris.data").contains("3 classes, Iris-setosa ("))
    try folder.write("yacht.data", rows.numbers(separator: " ", end: " \n"))
    try folder.write("airfoil.tsv", rows.numbers(separator: "\t"))
    try folder.write("airfoil.dat", rows.numbers(separator: "\t"))
    let expected = ["yacht.data": "blanks", "airfoil.tsv": "tab", "airfoil.dat": "tab"]
    for (name, separator) in expected {
      let summary = try lockstep.train(name, Self.quick + ["--epochs", "60"])
      #expect(summary["test_r2"] > 0.9, "\(name): \(summary.numbers)")
      let shown = try lockstep.describe(name)
      #expect(shown.contains("150 rows, 5 columns, separated by \(separator)"), "\(shown)")
    }
  }

  @Test("Words are categories, blanks around cells are trimmed, and ? is missing")
  func adult() throws {
    let table = LinearRows(300, 2).text(
      separator: ", ", classes: ["<=50K", ">50K"]
    ) { index, cells, label in
      [
        cells[0], index % 9 == 0 ? "?" : ["Private", "State-gov", "Never-worked"][index % 3],
        cells[1],
        index % 2 == 0 ? "Male" : "Female", label,
      ]
    }
    try folder.write("adult.csv", table)
    let shown = try lockstep.describe("adult.csv")
    for part in [
      "without a header", "2 classes, <=50K (", "column 2 (3 levels, and missing)",
      "column 4 (2 levels)",
    ] {
      #expect(shown.contains(part), "\(shown)")
    }
    #expect(try lockstep.train("adult.csv", Self.quick)["test_accuracy"] > 0.85)
    let dots = table.replacing("50K\n", with: "50K.\n")
    try folder.write("test.csv", dots)
    let message = try lockstep.refusal(["evaluate", "r", "test.csv"])
    #expect(
      message.contains("50K.\" in line 1) that is none of the classes <=50K, >50K"), "\(message)")
  }

  @Test("Missing cells are filled and counted, and a column that looks like an id is pointed out")
  func breastCancerOfUCI() throws {
    let table = LinearRows(240, 9).text(classes: ["2", "4"]) { index, cells, label in
      ["\(1_000_000 + index * 7919 % 99991)"] + cells.dropLast()
        + [index % 20 == 0 ? "?" : cells[8], label]
    }
    try folder.write("cancer.csv", table)
    let shown = try lockstep.describe("cancer.csv")
    #expect(shown.contains("column 1 looks like an id: leave it out with --ignore 1"), "\(shown)")
    let ignored = try lockstep.describe("cancer.csv", ["--ignore", "1"])
    #expect(!ignored.contains("id:") && ignored.contains("column 1 (--ignore)"), "\(ignored)")
    #expect(ignored.contains("in column 10 (training rows; filled in)"), "\(ignored)")
    let summary = try lockstep.train("cancer.csv", ["--ignore", "1"] + Self.quick)
    #expect(summary["test_accuracy"] > 0.8)
    try folder.write(
      "housing.csv",
      LinearRows(200, 4).numbers(header: "a,b,c,d,value")
        .replacing(/(?m)^([^,]*,[^,]*),-1\.\d+/) { "\($0.1)," })
    #expect(try lockstep.train("housing.csv", Self.quick + ["--epochs", "60"])["test_r2"] > 0.8)
    #expect(try lockstep.describe("housing.csv").contains("in c (training rows; filled in)"))
  }

  @Test("The target may be the first column")
  func letters() throws {
    let table = LinearRows(400, 16).text(classes: ["A", "B", "C", "D"]) { _, cells, label in
      [label] + cells.map { String($0.prefix { $0 != "." }) }
    }
    try folder.write("letters.csv", table)
    let shown = try lockstep.describe("letters.csv", ["--target", "1"])
    #expect(shown.contains("without a header") && shown.contains("column 1: 4 classes"), "\(shown)")
    #expect(shown.contains("16 numeric"), "\(shown)")
  }

  @Test("The header of a frame that pandas made of an array is one")
  func frames() throws {
    let rows = LinearRows(300, 6)
    for (name, header, rest) in [
      ("label", "0,1,2,3,4,5,label", []), ("number", "0,1,2,3,4,5,6", []),
    ]
      as [(String, String, [String])]
    {
      try folder.write("\(name).csv", rows.text(header: header))
      let shown = try lockstep.describe("\(name).csv", rest)
      #expect(shown.contains("300 rows, 7 columns, separated by comma, with a header"), "\(shown)")
      #expect(shown.contains("2 classes, 0 ("), "\(shown)")
    }
    try folder.write("y.csv", rows.numbers(header: "0,1,2,3,4,5,y"))
    let summary = try lockstep.train("y.csv", Self.quick + ["--loss", "mse", "--epochs", "60"])
    #expect(summary["test_r2"] > 0.9)
  }

  @Test("A target that is a number is taken for one, and its errors are in its own units")
  func houses() throws {
    try folder.write(
      "houses.csv",
      LinearRows(400, 5).numbers(header: "rooms,age,area,rate,tax,price") {
        String(format: "%.2f", 220_000 + 40_000 * $0)
      })
    let summary = try lockstep.train("houses.csv", ["--epochs", "50", "--batch", "32"])
    #expect(summary.said.contains("the values of price are taken for numbers (--loss mse)"))
    #expect(summary["test_r2"] > 0.9 && summary["test_rmse"] < 20_000, "\(summary.numbers)")
    #expect(summary["test_loss"] < 1)
    let prices = try lockstep.predict("houses.csv")
    #expect(prices[0] == "predicted_price" && prices.count == 401)
    let numbers = prices.dropFirst().compactMap { Double($0) }
    #expect(numbers.count == 400 && (numbers.max() ?? 0) > 280_000)
  }

  @Test("A model knows its several targets, and empty last columns without a name are dropped")
  func energy() throws {
    let rows = LinearRows(200, 4)
    let text =
      "X1,X2,X3,X4,Y1,Y2\n"
      + rows.features.indices.map { index in
        (rows.features[index] + [20 + 3 * rows.scores[index], 5 - rows.scores[index]])
          .map { String(format: "%.3f", $0) }.joined(separator: ",") + "\n"
      }.joined()
    try folder.write("e.csv", text)
    try folder.write("exported.csv", text.replacing("\n", with: ",,\n"))
    let options = ["--target", "Y1,Y2", "--epochs", "60", "--batch", "32"]
    let summary = try lockstep.train("e.csv", options)
    #expect(summary["test_r2"] > 0.9)
    #expect(try lockstep.evaluate("e.csv")["r2"] > 0.9)
    #expect(try lockstep.predict("e.csv")[0] == "predicted_Y1,predicted_Y2")
    let shown = try lockstep.describe("exported.csv", ["--target", "Y1,Y2"])
    #expect(shown.contains("column 8 has no name and no values: it is left out"), "\(shown)")
    #expect(try lockstep.evaluate("exported.csv").numbers == lockstep.evaluate("e.csv").numbers)
    #expect(try lockstep.describe("exported.csv").contains("Y2: a number"))
  }

  @Test("Columns of names, ids and dates are refused with how to leave them out")
  func names() throws {
    let rows = LinearRows(150, 3)
    try folder.write(
      "mpg.csv",
      rows.text(header: "mpg,b,c,car name,origin", classes: ["1", "2"]) { index, cells, label in
        [cells[0], cells[1], index % 30 == 0 ? "?" : cells[2], "\"model \(index), wagon\"", label]
      })
    let message = try lockstep.refusal(["train", "mpg.csv", "--target", "mpg", "--run", "x"])
    #expect(message.contains("car name: 150 distinct") && message.contains("--ignore 'car name'"))
    let summary = try lockstep.train(
      "mpg.csv", ["--target", "mpg", "--ignore", "car name"] + Self.quick)
    #expect(summary.numbers["test_r2"] != nil)
    try folder.write(
      "sensor.csv",
      rows.text(header: "id,timestamp,label,a,b,c") { index, cells, label in
        [String(format: "u%04d,2024-03-%02d 10:00:00", index, 1 + index % 28), label] + cells
      })
    let both = try lockstep.refusal(["train", "sensor.csv", "--target", "label", "--run", "x"])
    #expect(both.contains("--ignore id,timestamp"), "\(both)")
    let sensor = try lockstep.train(
      "sensor.csv", ["--target", "label", "--ignore", "id,timestamp"] + Self.quick)
    #expect(sensor["test_accuracy"] > 0.8)
    #expect(!FileManager.default.fileExists(atPath: folder.file("x")))
  }

  @Test("The index that pandas writes is ignored, and accuracy is that without it")
  func index() throws {
    let rows = LinearRows(300, 4)
    let plain = rows.text(header: "a,b,c,d,label")
    let lines = plain.split(separator: "\n")
    try folder.write("plain.csv", plain)
    try folder.write(
      "frame.csv",
      ",\(lines[0])\n" + lines.dropFirst().enumerated().map { "\($0),\($1)\n" }.joined())
    let options = ["--epochs", "30", "--batch", "32"]
    let without = try lockstep.train("plain.csv", options)
    let with = try lockstep.train("frame.csv", options)
    #expect(with["test_accuracy"] == without["test_accuracy"] && with["test_accuracy"] > 0.85)
    #expect(with["test_loss"] == without["test_loss"])
    #expect(
      with.said.contains("column 1 counts up by 1 and has no name: it is left out as an index"))
  }

  @Test("Other encodings and other notations of numbers are named in one line")
  func notations() throws {
    let table = "größe,b,sorte\n" + String(repeating: "1,2,Käse\n3,4,Brot\n", count: 30)
    let utf16 = try #require(table.data(using: .utf16))
    try folder.write("utf16.csv", Array(utf16))
    let latin1 = try #require(table.data(using: .isoLatin1))
    try folder.write("latin1.csv", Array(latin1))
    #expect(
      try lockstep.refusal(["train", "utf16.csv"]).contains("in UTF-16: convert it with iconv"))
    #expect(try lockstep.refusal(["train", "latin1.csv"]).contains("Latin-1"))
    let rows = LinearRows(120, 2)
    try folder.write(
      "european.csv",
      rows.text(header: "a;b;y", separator: ";").replacing(".", with: ",0"))
    try folder.write(
      "thousands.csv",
      rows.text(header: "people,b,y") { index, cells, label in
        ["\"\(1 + index % 7),\(100 + index),\(200 + index)\"", cells[1], label]
      })
    #expect(try lockstep.refusal(["train", "european.csv"]).contains("a decimal comma"))
    #expect(try lockstep.refusal(["train", "thousands.csv"]).contains("a thousands separator"))
  }

  @Test("1, 1.0, +1 and True are one class, when training and when evaluating")
  func labels() throws {
    let rows = LinearRows(200, 3)
    let ints = rows.text(header: "a,b,c,label")
    try folder.write("ints.csv", ints)
    let forms = [
      "floats": ["0.0", "1.0"], "bools": ["False", "True"], "signed": ["-0", "+1"],
      "mixed": ["0", "1", "1.0"],
    ]
    for (name, classes) in forms.sorted(by: { $0.key < $1.key }) {
      var count = 0
      let table = rows.text(header: "a,b,c,label") { _, cells, label in
        count += 1
        return cells + [label == "1" ? classes[1 + count % (classes.count - 1)] : classes[0]]
      }
      try folder.write("\(name).csv", table)
      let summary = try lockstep.train("\(name).csv", Self.quick)
      #expect(
        try lockstep.describe("\(name).csv").contains(
          "label: 2 classes, \(name == "bools" ? "False" : "0") ("), "\(name)")
      let (own, others) = (try lockstep.evaluate("\(name).csv"), try lockstep.evaluate("ints.csv"))
      #expect(own.numbers == others.numbers && own["accuracy"] > 0.85, "\(name)")
      #expect(summary["test_accuracy"] > 0.8)
    }
  }

  @Test("A name with a comma and blanks is given as in CSV")
  func nameWithComma() throws {
    let name = "\"Concrete compressive strength(MPa, megapascals) \""
    try folder.write(
      "c.csv", LinearRows(150, 3).numbers(header: "Cement (component 1)(kg in a m^3),b,c,\(name)"))
    let options = Self.quick + ["--epochs", "60", "--target", name]
    #expect(try lockstep.train("c.csv", options)["test_r2"] > 0.9)
    #expect(try lockstep.evaluate("c.csv")["r2"] > 0.9)
  }

  @Test("Own data for validation leave all rows of the first for training")
  func validation() throws {
    let rows = LinearRows(500, 6).text()
    try folder.write("train.tra", rows)
    try folder.write("test.tes", LinearRows(200, 6, seed: 2).text())
    let summary = try lockstep.train("train.tra", ["--validation", "test.tes"] + Self.quick)
    #expect(summary["test_accuracy"] > 0.85)
    #expect(try lockstep.evaluate("test.tes")["accuracy"] == summary["test_accuracy"])
    let shown = try lockstep.describe("train.tra", ["--validation", "test.tes"])
    #expect(shown.contains("500 for training, 200 held out"), "\(shown)")
    try folder.write("other.csv", LinearRows(20, 3).text())
    let message = try lockstep.refusal(
      ["train", "train.tra", "--validation", "other.csv", "--run", "x"])
    #expect(message.contains("other.csv"), "\(message)")
  }

  @Test("Columns are found by name in any order; other names are refused with a list")
  func columnOrder() throws {
    let rows = LinearRows(300, 4)
    try folder.write("train.csv", rows.text(header: "height,weight,age,income,label"))
    let mixed = { (cells: [String]) in [cells[1], cells[3], cells[0], cells[2]] }
    try folder.write(
      "test.csv",
      rows.text(header: "label,weight,income,height,age") { _, cells, label in
        [label] + mixed(cells)
      })
    try folder.write(
      "new.csv", rows.text(header: "weight,income,height,age") { _, cells, _ in mixed(cells) })
    try folder.write(
      "other.csv", rows.text(header: "pressure,humidity,wind,rain") { _, cells, _ in cells })
    try lockstep.train("train.csv", ["--epochs", "30", "--batch", "32"])
    let own = try lockstep.evaluate("train.csv")
    #expect(own["accuracy"] > 0.9)
    #expect(try lockstep.evaluate("test.csv").numbers == own.numbers)
    #expect(try lockstep.predict("new.csv") == lockstep.predict("train.csv"))
    let message = try lockstep.refusal(["predict", "r", "other.csv"])
    #expect(
      message.contains(
        "4 columns of the model are missing: height, weight, age, income; it has pressure, humidity"
      ),
      "\(message)")
  }

  @Test("The training table's figures come again without --target, header, and with other columns")
  func sameFigures() throws {
    let rows = LinearRows(400, 5)
    let table = rows.text(header: "sick,a,b,c,d,smoker", classes: ["no", "yes"]) {
      _, cells, label in
      [label] + cells.dropLast() + [cells[4].hasPrefix("-") ? "1" : "0"]
    }
    try folder.write("patients.csv", table)
    let summary = try lockstep.train(
      "patients.csv", ["--target", "sick", "--validation", "patients.csv"] + Self.quick)
    let own = try lockstep.evaluate("patients.csv")
    #expect(own["accuracy"] == summary["test_accuracy"] && own["accuracy"] > 0.85)
    #expect(abs(own["loss"] - summary["test_loss"]) < 1e-9)
    #expect(try lockstep.evaluate("patients.csv", ["--target", "sick"]).numbers == own.numbers)
    let lines = table.split(separator: "\n")
    try folder.write("bare.csv", lines.dropFirst().joined(separator: "\n"))
    #expect(try lockstep.evaluate("bare.csv").numbers == own.numbers)
    try folder.write(
      "more.csv",
      lines.enumerated().map { index, line in
        "\(index == 0 ? "note" : "n\(index)"),\(line),\(index == 0 ? "date" : "2024-01-01")"
      }.joined(separator: "\n"))
    let more = try lockstep.evaluate("more.csv")
    #expect(more.numbers == own.numbers)
    #expect(more.said.contains("note, date"), "\(more.said)")
    #expect(try lockstep.predict("bare.csv") == lockstep.predict("patients.csv"))
  }

  @Test("Batches of one row are refused with batch norm before training; a last one is fine")
  func singleRows() throws {
    try folder.write("rows81.csv", LinearRows(81, 4).text(header: "a,b,c,d,label"))
    let message = try lockstep.refusal(
      ["train", "rows81.csv", "--batch", "1", "--run", "x"], status: 64)
    #expect(message.contains("batch norm needs at least two rows"), "\(message)")
    try folder.write("t129.csv", LinearRows(129, 4).text(header: "a,b,c,d,label"))
    let summary = try lockstep.train(
      "t129.csv", ["--validation-split", "0", "--validation", "rows81.csv", "--epochs", "10"])
    #expect(summary["test_accuracy"] > 0.7 && summary["test_loss"] < 1)
  }

  @Test("The first epochs already have a low loss on columns of any size, such as years")
  func largeColumns() throws {
    let table = LinearRows(600, 4).text(header: "year,height,income,pressure,label") {
      _, cells, label in
      let numbers = cells.map { Double($0) ?? 0 }
      return [
        "\(2018 + Int(numbers[0] * 3))", String(format: "%.1f", 170 + 9 * numbers[1]),
        "\(50_000 + Int(9_000 * numbers[2]))", String(format: "%.1f", 1013 + numbers[3]), label,
      ]
    }
    try folder.write("people.csv", table)
    try lockstep.train("people.csv")
    let losses = try folder.text(of: "r/metrics.jsonl").split(separator: "\n").compactMap {
      try lockstep.object(String($0))["test_loss"] as? Double
    }
    #expect(losses.count == 10 && losses.allSatisfy { $0 < 2 }, "\(losses)")
  }

  @Test("A column that is constant in training says nothing, whatever its value later")
  func constantColumn() throws {
    func table(_ rare: String, _ seed: UInt64, _ count: Int) -> String {
      LinearRows(count, 4, seed: seed).text(header: "a,b,c,d,rare,label") { _, cells, label in
        cells + [rare, label]
      }
    }
    try folder.write("train.csv", table("0", 1, 400))
    try folder.write("test.csv", table("200", 2, 200))
    try folder.write("without.csv", table("0", 2, 200))
    try lockstep.train("train.csv", Self.quick)
    let (with, without) = (try lockstep.evaluate("test.csv"), try lockstep.evaluate("without.csv"))
    #expect(with.numbers == without.numbers && with["accuracy"] > 0.8, "\(with.numbers)")
  }
}
