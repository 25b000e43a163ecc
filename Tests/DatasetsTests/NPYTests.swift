// SPDX-License-Identifier: Apache-2.0
import Datasets
import Failures
import Foundation
import NeuralCore
import TestSupport
import Testing

@Suite("NumPy arrays")
struct NPYTests {
  let folder: TemporaryFolder
  /// Files that Tests/Reference/numpy_files.py wrote with NumPy.
  private let numpy = packageRoot.appendingPathComponent("Tests/Reference/numpy").path

  init() throws { folder = try TemporaryFolder() }

  private static func classes(_ data: Dataset) -> [Int32] {
    guard case .classes(let indices, _) = data.targets else { return [] }
    return Array(indices.elements)
  }

  private static func values(_ data: Dataset) -> [Float] {
    guard case .values(let values, _) = data.targets else { return [] }
    return Array(values.elements)
  }

  private static func encoded<T: FixedWidthInteger & BitwiseCopyable>(
    _ values: [T], bigEndian: Bool
  ) -> [UInt8] {
    bytes(values.map { bigEndian ? $0.bigEndian : $0.littleEndian })
  }

  @Test(
    "features of each numeric type, order and version that NumPy writes are read alike",
    arguments: [
      "i1", "u8", "big-i2", "big-u4", "little-f2", "big-f8", "fortran", "images",
      "fortran-images", "version-2", "version-3",
    ])
  func features(file: String) throws {
    let data = try Dataset.load(
      .npy(features: "\(numpy)/x-\(file).npy", targets: "\(numpy)/y.npy")
    ).training
    #expect(data.rows == 4 && data.columns == 6)
    #expect(Array(data.features.elements) == (0..<24).map(Float.init))
    #expect(data.labels == ["1", "2", "3"] && Self.classes(data) == [2, 0, 2, 1])
    let rows = try Self.rows("\(numpy)/x-\(file).npy", by: 3)
    #expect(rows == (file.hasPrefix("fortran") ? nil : (0..<24).map(Float.init)))
  }

  /// The elements that are read some rows at a time; nil if the array's rows are not together.
  private static func rows(_ path: String, by count: Int) throws -> [Float]? {
    guard let rows = try NPYRows(path) else { return nil }
    let block = AlignedBuffer<Float>(count: count * rows.columns)
    var elements: [Float] = []
    while true {
      let read = try rows.read(count, into: block.base)
      guard read > 0 else { return elements }
      elements += block.elements.prefix(read * rows.columns)
    }
  }

  @Test(
    "an array that is read some rows at a time is refused as a whole one, and names the same row")
  func rowsAtATime() throws {
    var numbers = (0..<14).map(Float.init)
    let path = try folder.write("x.npy", npy("<f4", "7, 2", bytes(numbers)))
    #expect(try Self.rows(path, by: 2) == numbers)
    numbers[11] = .infinity
    let infinite = try folder.write("y.npy", npy("<f4", "7, 2", bytes(numbers)))
    #expect {
      try Self.rows(infinite, by: 2)
    } throws: {
      "\($0)" == "\(infinite), row 5, column 1: inf is not a finite number in Float32"
    }
    let short = try folder.write("z.npy", npy("<f4", "7, 2", bytes(Array(numbers.dropLast()))))
    #expect {
      try Self.rows(short, by: 2)
    } throws: {
      "\($0)" == "\(short): the header says 56 bytes of data, the file holds 52"
    }
    let line = try folder.write("l.npy", npy("<f4", "14,", bytes(numbers)))
    #expect(throws: DatasetError.self) { try Self.rows(line, by: 2) }
  }

  @Test("numbers of each type are rounded once to Float32, in both byte orders")
  func rounding() throws {
    let long: [Int64] = [.min, .max, 1 << 53 + 1, (1 << 60) + (1 << 36) + 1, 0, -3]
    let unsigned: [UInt64] = [.max, 1 << 63 + 1 << 39 + 1, 5, 0, 1, 2]
    let half: [Float16] = [0.1, -65504, 0x1p-24, 0, 1, 2]
    let single: [Float] = [0.1, -1e38, .leastNonzeroMagnitude, 0, 1, 2]
    let double: [Double] = [0.1, 1e-50, 1 + 0x1p-24, 0, 1, 2]
    for isBig in [false, true] {
      let order = isBig ? ">" : "<"
      func check(_ code: String, _ data: [UInt8], _ expected: [Float]) throws {
        let path = try folder.write("x.npy", npy("\(order)\(code)", "3, 2", data))
        let read = try Dataset.load(
          .npy(features: path, targets: nil), LoadOptions(targets: .absent)
        ).training.features
        #expect(read.elements.map(\.bitPattern) == expected.map(\.bitPattern), "\(order)\(code)")
      }
      try check("i8", Self.encoded(long, bigEndian: isBig), long.map { Float($0) })
      try check("u8", Self.encoded(unsigned, bigEndian: isBig), unsigned.map { Float($0) })
      try check(
        "f2", Self.encoded(half.map(\.bitPattern), bigEndian: isBig), half.map { Float($0) })
      try check("f4", Self.encoded(single.map(\.bitPattern), bigEndian: isBig), single)
      try check(
        "f8", Self.encoded(double.map(\.bitPattern), bigEndian: isBig), double.map { Float($0) })
      try check("b1", [0, 1, 1, 0, 0, 1], [0, 1, 1, 0, 0, 1])
    }
  }

  @Test("integers, whole floats, one-hot rows and text are classes")
  func classTargets() throws {
    func load(_ y: String, _ targets: LoadOptions.TargetKind = .classes) throws -> Dataset {
      try Dataset.load(
        .npy(features: "\(numpy)/x-i1.npy", targets: "\(numpy)/\(y).npy"),
        LoadOptions(targets: targets)
      ).training
    }
    let plain = try load("y")
    #expect(try load("y-column").contentHash == plain.contentHash)
    let oneHot = try load("y-one-hot")
    #expect(oneHot.labels == ["0", "1", "2", "3"] && Self.classes(oneHot) == [3, 1, 3, 2])
    for file in ["y-text", "y-text-big-endian"] {
      for kind in [LoadOptions.TargetKind.classes, .numeric] {
        let text = try load(file, kind)
        #expect(text.labels == ["b", "rød", "🙂"] && Self.classes(text) == [1, 0, 1, 2])
      }
    }
    #expect(try load("y-bytes").labels == ["a", "bb", "c"])
    #expect(try Self.values(load("y", .numeric)) == [3, 1, 3, 2])
    #expect(try load("y-one-hot", .numeric).outputs == 4)
  }

  @Test("labels that are all numbers are compared as numbers, and with a model's classes too")
  func numericLabels() throws {
    let x = try folder.write("x.npy", npy("|u1", "3, 1", [1, 2, 3]))
    let y = try folder.write("y.npy", npy("|S3", "3,", Array("1.01\0\010\0".utf8)))
    let data = try Dataset.load(.npy(features: x, targets: y)).training
    #expect(data.labels == ["1", "10"] && Self.classes(data) == [0, 0, 1])
    let known = LoadOptions(knownLabels: ["10.0", "1.0"])
    #expect(
      Self.classes(try Dataset.load(.npy(features: x, targets: y), known).training) == [1, 1, 0])
  }

  @Test(
    "arrays that can't be used are refused in one line with advice",
    arguments: [
      ("y-objects", "|O (Python objects): save x.astype('float32'), or y.astype(str)"),
      ("y-dates", "(dates or times): save numbers"), ("y-structured", "structured elements"),
      ("x-i1", "row 0: not one-hot"), ("x-images", "one or more columns, not of shape [4, 3, 2]"),
    ])
  func refused(file: String, problem: String) throws {
    let error = refusal(.npy(features: "\(numpy)/x-i1.npy", targets: "\(numpy)/\(file).npy"))
    #expect(error?.exitStatus == .badData)
    #expect(error?.description.contains(problem) == true, "\(error?.description ?? "")")
    #expect(error?.description.contains("\n") == false)
  }

  @Test("malformed text labels, vectors as features and text as features are refused")
  func refusedContent() throws {
    let x = try folder.write("x.npy", npy("|u1", "2, 1", [1, 2]))
    let scalar = Self.encoded([UInt32(65), 0x11_0000], bigEndian: false)
    for (type, data, problem) in [
      ("<U1", scalar, "row 1: damaged text"), ("|S1", [65, 0xFF], "row 1: damaged text"),
      ("|S1", [65, 0], "row 1: empty label"),
      ("<f4", bytes([Float(1), 0.5]), "row 1: 0.5 is not a class"),
    ] {
      let y = try folder.write("y.npy", npy(type, "2,", data))
      let error = refusal(.npy(features: x, targets: y))?.description ?? ""
      #expect(error.contains(problem), "\(error)")
    }
    let vector = refusal(.npy(features: "\(numpy)/y.npy", targets: "\(numpy)/y.npy"))
    #expect(vector?.description.hasSuffix("save x.reshape(-1, 1)") == true)
    let text = refusal(.npy(features: x, targets: nil))
    #expect(text?.exitStatus == .usage)
  }

  @Test("arrays are recognized by their content, and a single one is enough to predict")
  func sources() throws {
    let x = try folder.write("features", npy("|u1", "2, 1", [1, 2]))
    let y = try folder.write("targets.csv", npy("|u1", "2,", [1, 2]))
    #expect(try DataSource.parse("\(x),\(y)") == .npy(features: x, targets: y))
    #expect(try DataSource.parse(x) == .npy(features: x, targets: nil))
    #expect(try DataSource.parse("a.npy,b.npy") == .npy(features: "a.npy", targets: "b.npy"))
    #expect(try DataSource.parse("a.npz") == .npz(path: "a.npz"))
    let archive = folder.path + "/archive"
    try FileManager.default.copyItem(atPath: "\(numpy)/stored.npz", toPath: archive)
    #expect(try DataSource.parse(archive) == .npz(path: archive))
  }

  @Test("NPZ files give the pair, stored or compressed, and the test set")
  func archives() throws {
    let pair = try Dataset.load(.npy(features: "\(numpy)/x-i1.npy", targets: "\(numpy)/y.npy"))
    let stored = try Dataset.load(.npz(path: "\(numpy)/stored.npz"))
    #expect(stored.training.contentHash == pair.training.contentHash && stored.heldOut == nil)
    let mnist = try Dataset.load(.npz(path: "\(numpy)/mnist.npz"))
    #expect(mnist.training.contentHash == pair.training.contentHash)
    let heldOut = try #require(mnist.heldOut)
    #expect(heldOut.rows == 2 && heldOut.labels == ["1", "2", "3"])
    #expect(Self.classes(heldOut) == [2, 0])
    let numbers = try Dataset.load(
      .npz(path: "\(numpy)/mnist.npz"), LoadOptions(targets: .numeric))
    #expect(numbers.heldOut.map(Self.values) == [3, 1])
  }

  @Test("an NPZ file without the arrays is refused with a list, and a truncated or damaged one too")
  func brokenArchives() throws {
    for name in ["stored", "mnist"] {
      let whole = try Array(Data(contentsOf: URL(fileURLWithPath: "\(numpy)/\(name).npz")))
      let good = try Dataset.load(.npz(path: "\(numpy)/\(name).npz"))
      for length in stride(from: 0, to: whole.count, by: 7) {
        let path = try folder.write("cut.npz", Array(whole[..<length]))
        #expect(refusal(.npz(path: path))?.exitStatus == .badData)
      }
      for place in whole.indices {
        var damaged = whole
        damaged[place] ^= 0x10
        let path = try folder.write("damaged.npz", damaged)
        // Some bits of a ZIP file have no meaning, and members of a test set may be renamed.
        if let read = try? Dataset.load(.npz(path: path)) {
          #expect(read.training.contentHash == good.training.contentHash, "damage at \(place)")
        }
      }
      var renamed = whole
      while let range = renamed.firstRange(of: Array("y.npy".utf8)) {
        renamed[range.lowerBound] = 0x7A
      }
      while let range = renamed.firstRange(of: Array("y_train".utf8)) {
        renamed[range.lowerBound] = 0x7A
      }
      let error = refusal(.npz(path: try folder.write("renamed.npz", renamed)))?.description ?? ""
      #expect(error.contains(name == "stored" ? "it holds X, z" : "it holds x_train, z_train"))
      #expect(error.contains("but should hold x and y"), "\(error)")
    }
  }
}
