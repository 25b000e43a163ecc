// SPDX-License-Identifier: Apache-2.0
import Datasets
import Failures
import Foundation
import NeuralCore
import TestSupport
import Testing

@Suite("Malformed data files")
struct BrokenFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let wordsAmongNumbers: String = {
    let rows = (0..<60).map { "1,\($0),x\n" }.joined()
    return "a,b,c\n" + rows + "3,foo,y\n4,2,y\n5,0x10,y\n"
  }()

  @Test(
    "a malformed CSV table is refused in one line that says where",
    arguments: [
      (
        "a,b,c\n1,2,x\n3,4\n",
        "line 3: 2 fields separated by comma, expected 3: correct the line, or put fields with a "
          + "comma inside in double quotes"
      ),
      (
        Self.wordsAmongNumbers,
        "b: 2 cells without a number (first \"foo\" in line 62): correct them, take the texts for "
          + "categories with --categorical b, or leave out the column with --ignore b"
      ),
      (
        "1,2,x\n3,1e50,y\n",
        "column 2: 1 cell not finite in Float32 (first \"1e50\" in line 2): correct them, or leave out "
          + "the column with --ignore 2"
      ),
      (
        "1,2,x\n3,4,\n",
        "column 3: 1 row has no target (first in line 2): remove these rows, or name another column "
          + "with --target"
      ),
      (
        "1,2,x\n3,4,x\n",
        "all rows are of one class, x: at least two are required; if column 3 is not the target, "
          + "name it with --target"
      ),
      ("a,b,c\n", "it has a header but no rows"),
      ("", "it has no rows"), ("\n\n", "it has no rows"),
      (
        "1,2,\"x\n3,4,y\n",
        "line 1: a quoted field has no closing quote, or is followed by text"
      ),
      (
        "1,2,y\n1,2,\"x\"y\n",
        "line 2: a quoted field has no closing quote, or is followed by text"
      ),
      (
        "1\n2\n",
        "no separator found: none of , ; tab | or blanks gives the first records the same number of "
          + "fields, at least 2; name it with --separator, or correct the lines"
      ),
    ] as [(String, String)])
  func tables(text: String, problem: String) throws {
    let path = try folder.write("a.csv", text)
    let error = refusal(.table(path: path))
    #expect(error?.exitStatus == .badData)
    #expect(error?.description.hasSuffix(problem) == true, "\(error?.description ?? "")")
    #expect(error?.description.contains("\n") == false)
  }

  @Test("a truncated or damaged gzip file is refused, and one named .gz that is plain text is read")
  func gzip() throws {
    let plain = try folder.write("a.csv", String(repeating: "1,2,x\n3,4,y\n", count: 200))
    let packed = try Array(Data(contentsOf: URL(fileURLWithPath: compress(plain))))
    let whole = try Dataset.load(.table(path: plain + ".gz")).training
    #expect(whole.rows == 400)
    for length in [3, 10, packed.count / 2, packed.count - 4, packed.count - 1] {
      let cut = try folder.write("cut.csv.gz", Array(packed[..<length]))
      #expect(refusal(.table(path: cut))?.exitStatus == .badData)
    }
    for place in 10..<packed.count {
      var damaged = packed
      damaged[place] ^= 0x10
      let path = try folder.write("bad.csv.gz", damaged)
      do {
        // Some bits of a gzip file have no meaning: content that is accepted must be the original.
        let read = try Dataset.load(.table(path: path)).training
        #expect(read.contentHash == whole.contentHash, "damage at \(place) was not detected")
      } catch {
        #expect((error as? DatasetError)?.exitStatus == .badData)
      }
    }
    let fake = try folder.write("fake.csv.gz", "1,2,x\n3,4,y\n")
    #expect(try Dataset.load(.table(path: fake)).training.rows == 2)
  }

  @Test(
    "a malformed IDX file is refused with the reason",
    arguments: [
      (idx([2, 2], [1, 2, 3, 4]), idx([2], [0]), "the file holds 1"),
      (idx([2, 2], [1, 2, 3]), idx([2], [0, 1]), "the file holds 3"),
      (idx([2, 2], [1, 2, 3, 4, 5]), idx([2], [0, 1]), "the file holds 5"),
      (idx([2, 2], [1, 2, 3, 4]), idx([3], [0, 1, 0]), "2 images, but 3 labels"),
      ([9, 0, 8, 1, 0, 0, 0, 0], idx([0], []), "does not begin with two zero bytes"),
      (idx([2, 1], [1, 2], type: 10), idx([2], [0, 1]), "IDX element type 0xa"),
      ([0, 0, 8, 3, 0, 0], idx([2], [0, 1]), "truncated IDX header"),
      (
        idx([0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF], []), idx([1], [0]), "out of range"
      ),
      (idx([2, 2], [1, 2, 3, 4]), idx([2], [3, 3]), "all rows are of one class, 3"),
      (idx([0, 2], []), idx([0], []), "no images"),
    ] as [([UInt8], [UInt8], String)])
  func idxFiles(images: [UInt8], labels: [UInt8], problem: String) throws {
    try folder.write("train-images-idx3-ubyte", images)
    try folder.write("train-labels-idx1-ubyte", labels)
    let error = refusal(.idx(folder: folder.path))
    #expect(error?.exitStatus == .badData)
    #expect(error?.description.contains(problem) == true, "\(error?.description ?? "")")
  }

  @Test("missing files, incomplete folders and folders in place of files are refused")
  func missing() throws {
    #expect(refusal(.table(path: folder.path + "/no.csv"))?.exitStatus == .missingInput)
    #expect(refusal(.table(path: folder.path))?.exitStatus == .missingInput)
    #expect(refusal(.idx(folder: folder.path + "/no"))?.exitStatus == .missingInput)
    #expect(refusal(.idx(folder: folder.path))?.exitStatus == .missingInput)
    try folder.write("train-images-idx3-ubyte", idx([1, 1], [1]))
    #expect(
      refusal(.idx(folder: folder.path))?.description.hasSuffix(
        "images but no labels: train-labels-idx1-ubyte is missing, .gz or not") == true)
  }

  @Test(
    "a malformed NumPy file is refused with the reason",
    arguments: [
      (Array("hello, world".utf8), "not a NumPy file"),
      (npy("<c8", "2, 1", Array(repeating: 0, count: 16)), "element type <c8"),
      (npy("<f4", "2, 3", Array(repeating: 0, count: 23)), "the file holds 23"),
      (npy("<f4", "9223372036854775807, 3", []), "out of range"),
      (npy("<f4", "6,", Array(repeating: 0, count: 24)), "features must be a matrix"),
      (npy("<f4", "2, x", []), "the header of the NumPy file is damaged"),
      (npy("<f4", "2, 1", bytes([Float(1), .nan])), "row 1, column 0"),
    ] as [([UInt8], String)])
  func numPy(features: [UInt8], problem: String) throws {
    let x = try folder.write("x.npy", features)
    let y = try folder.write("y.npy", npy("<i4", "2,", bytes([Int32(0), 1])))
    let error = refusal(.npy(features: x, targets: y))
    #expect(error?.exitStatus == .badData)
    #expect(error?.description.contains(problem) == true, "\(error?.description ?? "")")
  }

  @Test("randomly damaged data files are refused or read, and never trap")
  func mutations() throws {
    let seeds: [(String, [UInt8])] = [
      ("m.csv", Array("a,\"b\"\"c\",d\r\n1,2.5,x\r\n-3e2,4,\"y\"\r\n5,6,x\r\n".utf8)),
      ("train-images-idx3-ubyte", idx([3, 2], [1, 2, 3, 4, 5, 6])),
      ("x.npy", npy("<f4", "3, 2", bytes([Float(1), 2, 3, 4, 5, 6]))),
    ]
    try folder.write("train-labels-idx1-ubyte", idx([3], [0, 1, 0]))
    let labels = try folder.write("y.npy", npy("<i4", "3,", bytes([Int32(0), 1, 0])))
    var random = PhiloxStream(seed: 11, purpose: .syntheticData)
    for (name, good) in seeds {
      for _ in 0..<1500 {
        var bad = good
        for _ in 0...random.next(below: 3) {
          let place = Int(random.next(below: UInt32(bad.count)))
          switch random.next(below: 4) {
          case 0: bad[place] = UInt8(random.next(below: 256))
          case 1: bad.remove(at: place)
          case 2: bad.insert(UInt8(random.next(below: 256)), at: place)
          default: bad.removeSubrange(place...)
          }
          if bad.isEmpty { bad = [0] }
        }
        let path = try folder.write(name, bad)
        let source: DataSource =
          name == "m.csv"
          ? .table(path: path)
          : name == "x.npy"
            ? .npy(features: path, targets: labels) : .idx(folder: folder.path)
        if let data = try? Dataset.load(source).training {
          #expect(!data.features.elements.contains { !$0.isFinite })
        }
      }
    }
  }
}
