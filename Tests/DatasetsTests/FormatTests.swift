// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import NeuralCore
import TestSupport
import Testing

@Suite("Data formats")
struct FormatTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static func classes(_ data: Dataset) -> [Int32] {
    if case .classes(let indices, _) = data.targets { return Array(indices.elements) }
    return []
  }

  @Test(
    "the digits have 1,797 rows of 64 pixels in sixteenths, with the known count of each class")
  func digits() throws {
    let data = try Dataset.load(.digits).training
    #expect(data.rows == 1797 && data.columns == 64)
    #expect(data.labels == (0...9).map(String.init))
    #expect(data.features.elements.allSatisfy { ($0 * 16).rounded() == $0 * 16 && $0 <= 1 })
    let counts = (0..<10).map { k in Self.classes(data).count { $0 == k } }
    #expect(counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
  }

  @Test("an IDX folder has a training set and a test set, compressed or not")
  func idxFolder() throws {
    let pixels = (0..<12).map { UInt8($0 * 20) }
    let images = try folder.write("train-images-idx3-ubyte", idx([3, 2, 2], pixels))
    _ = try compress(images)
    try FileManager.default.removeItem(atPath: images)
    try folder.write("train-labels-idx1-ubyte", idx([3], [7, 2, 7]))
    try folder.write("t10k-images.idx3-ubyte", idx([1, 2, 2], [0, 255, 51, 102]))
    try folder.write("t10k-labels.idx1-ubyte", idx([1], [2]))
    let data = try Dataset.load(.idx(folder: folder.path))
    #expect(data.training.rows == 3 && data.training.columns == 4)
    #expect(Array(data.training.features.elements) == pixels.map { Float($0) / 255 })
    #expect(data.training.labels == ["2", "7"])
    #expect(Self.classes(data.training) == [1, 0, 1])
    let heldOut = try #require(data.heldOut)
    let fractions: [Float] = [0, 1, 0.2, 0.4]
    #expect(Array(heldOut.features.elements) == fractions)
    #expect(Self.classes(heldOut) == [0])
  }

  @Test("a CSV table may have a header, quotes, CRLF, a byte order mark and text classes")
  func csv() throws {
    let path = try folder.write(
      "a.csv",
      "\u{FEFF}\"width, \"\"w\"\"\",height,kind\r\n1.5,-2e3,b\r\n\"3\",0.25,\"a\nc\"\r\n\r\n.5,+7,b\r\n"
    )
    let data = try Dataset.load(.table(path: path)).training
    let schema = try #require(try Dataset.load(.table(path: path)).schema)
    #expect(schema.columns.map(\.name) == ["width, \"w\"", "height", "kind"])
    #expect(Array(data.features.elements) == [1.5, -2000, 3, 0.25, 0.5, 7])
    #expect(data.labels == ["a\nc", "b"])
    #expect(Self.classes(data) == [1, 0, 1])
  }

  @Test("classes are sorted as numbers if all are numbers, otherwise as text")
  func classOrder() throws {
    let numbers = try folder.write("n.csv", "1,10\n2,9\n3,-1\n")
    #expect(try Dataset.load(.table(path: numbers)).training.labels == ["-1", "9", "10"])
    let words = try folder.write("w.csv", "1,10\n2,9\n3,x\n")
    #expect(try Dataset.load(.table(path: words)).training.labels == ["10", "9", "x"])
  }

  @Test("targets may be any column, by name or number, or several columns of numbers")
  func targets() throws {
    let path = try folder.write("t.csv", "y,x,z\n1,2,3\n4,5,6\n")
    let one = try Dataset.load(.table(path: path), .columns(["y"])).training
    #expect(Array(one.features.elements) == [2, 3, 5, 6])
    let two = try Dataset.load(
      .table(path: path), .columns(["3", "y"], .numeric)
    ).training
    #expect(Array(two.features.elements) == [2, 5])
    guard case .values(let values, let names) = two.targets else { return #expect(Bool(false)) }
    #expect(Array(values.elements) == [3, 1, 6, 4] && names == ["z", "y"])
    let text = try folder.write("c.csv", "1,a\n2,b\n")
    let classes = try Dataset.load(.table(path: text), LoadOptions(targets: .numeric)).training
    #expect(classes.labels == ["a", "b"])
  }

  @Test("NumPy pairs give classes from integers and values from floats, in C or Fortran order")
  func numPy() throws {
    let x = try folder.write("x.npy", npy("<f8", "2, 3", bytes([1.0, 2, 3, 4, 5, 6])))
    let f = try folder.write(
      "f.npy", npy("<f4", "2, 3", bytes([Float(1), 4, 2, 5, 3, 6]), fortran: true))
    let y = try folder.write("y.npy", npy("<i8", "2,", bytes([Int64(5), -3])))
    let v = try folder.write("v.npy", npy("<f4", "2, 2", bytes([Float(0.5), 1, 2, 4])))
    let data = try Dataset.load(.npy(features: x, targets: y)).training
    #expect(Array(data.features.elements) == [1, 2, 3, 4, 5, 6])
    #expect(data.labels == ["-3", "5"] && Self.classes(data) == [1, 0])
    let numbers = try Dataset.load(
      .npy(features: f, targets: v), LoadOptions(targets: .numeric)
    ).training
    #expect(Array(numbers.features.elements) == [1, 2, 3, 4, 5, 6])
    #expect(numbers.outputs == 2)
  }

  @Test("synthetic data depend on their seed only, and malformed arguments are refused")
  func synthetic() throws {
    let source = try DataSource.parse("synthetic:50x6x3:9")
    #expect(source == .synthetic(rows: 50, features: 6, classes: 3, seed: 9))
    let (a, b) = (try Dataset.load(source).training, try Dataset.load(source).training)
    #expect(a.contentHash == b.contentHash)
    let other = try Dataset.load(DataSource.parse("synthetic:50x6x3")).training
    #expect(a.contentHash != other.contentHash)
    #expect(Set(Self.classes(a)).count == 3)
    for wrong in ["synthetic:5x6", "synthetic:0x6x3", "synthetic:5x6x1", "synthetic:5x6x3:x", ""] {
      #expect(throws: DatasetError.self) { try DataSource.parse(wrong) }
    }
  }
}
