// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import NeuralCore
import TestSupport
import Testing

@Suite("Targets of tables")
struct TargetTests {
  let tables: TableFixture

  init() throws { tables = try TableFixture() }

  private func text(_ targets: [String]) -> String {
    "a,y\n" + targets.enumerated().map { "\($0 % 9),\($1)\n" }.joined()
  }

  private func hasClasses(_ targets: [String]) throws -> Bool {
    let data = try tables.load(text(targets))
    let isGuess = targets.allSatisfy { Double($0) != nil }
    let notice =
      data.training.labels.isEmpty
      ? "the values of y are taken for numbers" : "the values of y are taken for classes"
    #expect(data.notices.contains { $0.hasPrefix(notice) } == isGuess, "\(data.notices)")
    return !data.training.labels.isEmpty
  }

  // MARK: Classes or numbers

  @Test("integers are classes if at most 50 are distinct, with at least twice as many rows")
  func thresholds() throws {
    #expect(try hasClasses((0..<100).map { "\($0 % 50)" }))
    #expect(try !hasClasses((0..<102).map { "\($0 % 51)" }))
    #expect(try !hasClasses((0..<99).map { "\($0 % 50)" }))
    #expect(try hasClasses(["0", "1", "1", "0"]))
    #expect(try !hasClasses(["0", "1", "1"]))
    #expect(try !hasClasses((0..<100).map { $0 == 7 ? "1.5" : "\($0 % 2)" }))
    #expect(try hasClasses((0..<100).map { $0 % 2 == 0 ? "1e3" : "-2.0" }))
  }

  @Test("words are classes whatever their number of rows")
  func words() throws {
    #expect(try hasClasses(["p", "q"]))
    #expect(try hasClasses((0..<30).map { "w\($0 % 15)" }))
  }

  @Test("what is taken without being asked for is said, with how to have the other")
  func notices() throws {
    #expect(
      try tables.load(text(["0", "1", "1", "0"])).notices == [
        "the values of y are taken for classes (--loss cross-entropy); to predict numbers, use --loss "
          + "mse"
      ])
    #expect(
      try tables.load(text(["0.5", "1", "1", "0"])).notices == [
        "the values of y are taken for numbers (--loss mse); if they are classes, use --loss "
          + "cross-entropy"
      ])
    for kind in [LoadOptions.TargetKind.classes, .numeric] {
      #expect(try tables.load(text(["0", "1", "1", "0"])) { $0.targets = kind }.notices == [])
    }
  }

  @Test("what is asked for holds, whatever the targets are")
  func asked() throws {
    let many = (0..<120).map { "\($0)" }
    #expect(try tables.load(text(many)) { $0.targets = .classes }.training.labels.count == 120)
    let few = ["0", "1", "1", "0"]
    #expect(try tables.load(text(few)) { $0.targets = .numeric }.training.labels == [])
    #expect(
      try tables.load(text(["p", "q"])) { $0.targets = .numeric }.training.labels == ["p", "q"])
  }

  // MARK: Labels

  @Test(
    "1, 1.0, +1, 1e0, True and \"1\" are one class",
    arguments: [["1", "1.0", "+1", "1e0", "True", "TRUE", "\"1\"", "01"]])
  func sameLabels(ones: [String]) throws {
    let zeros = ["0", "0.0", "-0", "False", "0e5", "+0", "false", "00"]
    let data = try tables.load(text(zip(ones, zeros).flatMap { [$0, $1] }))
    #expect(data.training.labels == ["0", "1"])
    #expect(data.training.classIndices == (0..<16).map { 1 - $0 % 2 })
    #expect(try data.known.target == .classes(labels: ["0", "1"], counts: [8, 8]))
  }

  @Test("classes that are numbers are ordered by number, others by the bytes of their labels")
  func order() throws {
    let numbers = try tables.load(text(["10", "9", "-1", "9.5", "10", "9", "-1", "9.5"])) {
      $0.targets = .classes
    }
    #expect(numbers.training.labels == ["-1", "9", "9.5", "10"])
    let words = try tables.load(text(["b", "a", "Z", "ä", "10", "9"]))
    #expect(words.training.labels == ["10", "9", "Z", "a", "b", "ä"])
  }

  @Test("next to words, numbers are labels as they are written")
  func numbersAmongWords() throws {
    let data = try tables.load(text(["1", "1.0", "x", "1"]))
    #expect(data.training.labels == ["1", "1.0", "x"])
    #expect(data.training.classIndices == [0, 1, 2, 0])
  }

  @Test("a word far down makes all targets labels")
  func lateWord() throws {
    let targets = (0..<3000).map { "\($0 % 2)" } + ["x"]
    let data = try tables.load(text(targets))
    #expect(data.training.labels == ["0", "1", "x"])
    #expect(data.training.classIndices.last == 2)
  }

  @Test("classes of held-out rows only are classes too, and are counted in the training rows")
  func heldOutClasses() throws {
    let held = Int(DataSplit.split(rows: 40, fraction: 0.25, seed: 0).heldOut[0])
    let targets = (0..<40).map { $0 == held ? "rare" : $0 % 2 == 0 ? "p" : "q" }
    let data = try tables.load(text(targets)) { $0.heldOutFraction = 0.25 }
    guard case .classes(let labels, let counts) = try data.known.target else {
      return #expect(Bool(false))
    }
    #expect(labels == ["p", "q", "rare"] && counts[2] == 0 && counts[0] + counts[1] == 30)
  }

  // MARK: Refusals

  @Test("rows without a target are counted, with the first line, for one or several targets")
  func missingTargets() throws {
    #expect(
      try tables.refusal("a,y\n1,p\n2,\n3,NA\n4,q\n")
        == "y: 2 rows have no target (first in line 3): remove these rows, or name another column with "
        + "--target")
    let several = try tables.refusal("a,y,z\n1,2,\n2,?,1\n3,1,1\n") {
      $0.table.target = ["y", "z"]
    }
    #expect(several.contains("y: 1 row has no target (first in line 3)"), "\(several)")
    #expect(several.contains("z: 1 row has no target (first in line 2)"), "\(several)")
  }

  @Test("targets that are all one class, or nearly all distinct words, are refused with --target")
  func unusableTargets() throws {
    #expect(
      try tables.refusal(text(["p", "p"]))
        == "all rows are of one class, p: at least two are required; if y is not the target, name it "
        + "with --target")
    let message = try tables.refusal(text((0..<100).map { "name \($0)" }))
    #expect(message.hasPrefix("the target y has 100 distinct labels in 100 rows"), "\(message)")
    #expect(message.contains("--target"), "\(message)")
  }

  @Test("targets in another notation are named as what they look like")
  func foreign() throws {
    let message = try tables.refusal("a;y\n" + (0..<40).map { "\($0 % 5);\($0),5\n" }.joined())
    #expect(
      message.hasPrefix("y: 40 cells with a decimal comma (first \"0,5\" in line 2)"), "\(message)")
  }

  @Test("targets that no Float32 can hold are refused")
  func infinite() throws {
    let message = try tables.refusal(text(["0.5", "1e39", "2", "-1e39"]))
    #expect(
      message.hasPrefix("y: 2 cells not finite in Float32 (first \"1e39\" in line 3)"),
      "\(message)")
  }

  @Test("several targets must be numbers")
  func severalClasses() throws {
    for change in [{ (_: inout LoadOptions) in }, { $0.targets = .classes }] {
      let text = "a,y,z\n1,p,1\n2,q,2\n3,p,3\n"
      let message = try tables.refusal(text) {
        $0.table.target = ["z", "y"]
        change(&$0)
      }
      #expect(message.hasPrefix("--target: classes must be in one column, not in 2"), "\(message)")
    }
  }

  // MARK: Standardization

  @Test("numbers are standardized by the mean and the deviation of the training rows in Float64")
  func standardized() throws {
    let numbers = (0..<50).map { 1e6 + Double($0 * $0) / 8 }
    let data = try tables.load(text(numbers.map { "\($0)" })) {
      $0.heldOutFraction = 0.2
      $0.seed = 3
    }
    let rows = DataSplit.split(rows: 50, fraction: 0.2, seed: 3).training.map { numbers[Int($0)] }
    let mean = rows.reduce(0, +) / Double(rows.count)
    let spread = rows.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let deviation = (spread / Double(rows.count)).squareRoot()
    let scale = try #require(try data.known.scales.first)
    #expect(scale.name == "y" && scale.mean == mean && scale.deviation == deviation)
    #expect(scale.minimum == rows.min() && scale.maximum == rows.max())
    #expect(data.training.targetValues == numbers.map { Float(($0 - mean) / deviation) })
    let back = data.training.targetValues.map { scale.value($0) }
    #expect(zip(back, numbers).allSatisfy { abs($0 - $1) < 1e-4 })
  }

  @Test("several targets are standardized one by one, in the order in which they are named")
  func several() throws {
    let data = try tables.load("a,y,z\n1,10,0\n2,30,7\n3,20,7\n4,20,0\n") {
      $0.table.target = ["z", "2"]
    }
    #expect(try data.known.scales.map(\.name) == ["z", "y"])
    #expect(try data.known.scales.map(\.mean) == [3.5, 20])
    let step = Float(10 / 50.0.squareRoot())
    #expect(
      data.training.targetValues
        == [-1, -step, 1, step, 1, 0, -1, 0])
    #expect(data.training.columns == 1)
    #expect(!data.notices.contains { $0.contains("--loss") })
  }

  @Test(
    "targets stay as they are with --target-scale none, and are refused if they are all the same")
  func unscaled() throws {
    let plain = try tables.load(text(["0.5", "2.5", "7"])) { $0.standardizesTargets = false }
    #expect(plain.training.targetValues == [0.5, 2.5, 7])
    #expect(try plain.known.scales[0].isScaled == false)
    #expect(
      try tables.refusal(text(["2.5", "2.5", "2.5"]))
        == "y is 2.5 in all training rows: there is nothing to predict; name another column with "
        + "--target")
  }

  @Test("NumPy targets follow the same rule, and are standardized alike")
  func numPy() throws {
    let numbers = (0..<60).map { Float($0) / 4 }
    let x = try tables.folder.write("x.npy", npy("<f4", "60, 1", bytes(numbers)))
    let y = try tables.folder.write("y.npy", npy("<f4", "60,", bytes(numbers)))
    let arrays = try Dataset.load(.npy(features: x, targets: y), TableFixture.options())
    let table = try tables.load("a,y\n" + numbers.map { "\($0),\($0)\n" }.joined())
    #expect(arrays.training.targetValues == table.training.targetValues)
    #expect(try arrays.known.scales[0].mean == table.known.scales[0].mean)
    #expect(try arrays.known.scales[0].deviation == table.known.scales[0].deviation)
    let few = try tables.folder.write("few.npy", npy("<i8", "60,", bytes((0..<60).map { $0 % 3 })))
    let classes = try Dataset.load(.npy(features: x, targets: few), TableFixture.options())
    #expect(classes.training.labels == ["0", "1", "2"])
    #expect(classes.notices.contains { $0.contains("taken for classes") })
    let asked = try Dataset.load(
      .npy(features: x, targets: few), TableFixture.options { $0.targets = .numeric })
    #expect(try asked.known.scales.count == 1)
  }
}
