// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Coordination
import Datasets
import Foundation
import NeuralCore
import Training

/// Valid files.
enum Samples {
  static let safetensors = header(
    #"{"__metadata__":{"a":"b\u00e9"},"x":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"#
      + #""y":{"dtype":"F32","shape":[],"data_offsets":[8,12]}}"#, data: 12)
  static let idx: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6]
  /// An IDX file whose elements have a last byte of 0 or 1, and are 0 otherwise.
  static func idx(type: UInt8, _ shape: [UInt8], size: Int) -> [UInt8] {
    let extents: [UInt8] = shape.flatMap { [0, 0, 0, $0] }
    var file: [UInt8] = [0, 0, type, UInt8(shape.count)] + extents
    for index in 0..<shape.reduce(1, { $0 * Int($1) }) {
      file += [UInt8](repeating: 0, count: size - 1)
      file.append(UInt8(index % 3 % 2))
    }
    return file
  }

  /// "1,2,x\n3,4,y\n5,6,x\n", compressed by gzip.
  static let gzip: [UInt8] = [
    31, 139, 8, 0, 0, 0, 0, 0, 2, 255, 51, 212, 49, 210, 169, 224, 50, 214, 49, 209, 169, 228, 50,
    213, 49, 3, 178, 1, 102, 210, 215, 86, 18, 0, 0, 0,
  ]

  /// Tables for each of the rules by which they are read.
  static let tables = [
    "a,\"b\"\"c\",d\r\n1,2.5,x\r\n-3e2,4,\"y\"\r\n5,6,x\r\n", "1,2\n3,4\n",
    ",w,b,y,,\n0,red,True,1.5,,\n1,?,False,2.5,,\n2,\"blue, dark\",,3.5,,\n3,red,1,9,,\n",
    "1; 2 ;p\n?;;q\n5;NA;p\n7;8;q\n", "0 1 y\n1 2  0\n3 4\t1 \n5 6 0\n7 8 1\n",
    "w|v\na|p\nb|q\na|p\n", "3,2,x,y\n1,2,0\n3,4,1\n5,6,1.0\n",
    "0.5,2,p\n1,3,q\n0,4,p\n2e3,5,q\n", "w,a,y\n1,2,0.5\n\"2\",4,1.5\n3,6,8\n",
  ]

  /// The schema of a table with all kinds of columns.
  static let schema: TableSchema = {
    let text = "id,a,w,g,k,y\n7,1,red,1,u,p\n9,?,blue,0.5,v,q\n3,4,,2,u,p\n1,2,red,0,v,q\n"
    let path = NSTemporaryDirectory() + "lockstep-fuzz-table-\(getpid()).csv"
    defer { try? FileManager.default.removeItem(atPath: path) }
    do {
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
      var options = LoadOptions(targets: .automatic)
      options.table.ignored = ["id"]
      options.table.weights = "g"
      guard let schema = try Dataset.load(.table(path: path), options).schema else {
        fatalError("the sample table has no schema")
      }
      return schema
    } catch {
      fatalError("can't read the sample table: \(error)")
    }
  }()

  /// The description of a model of that table.
  static let description = Array(
    ModelDescription(
      TrainingOptions(), inputs: schema.width, outputs: schema.outputs, labels: schema.labels,
      schema: schema
    ).json.utf8)

  static func npy(
    _ type: String, _ shape: String, _ bytes: Int, fortran: Bool = false
  ) -> [UInt8] {
    let order = fortran ? "True" : "False"
    let header = "{'descr': '\(type)', 'fortran_order': \(order), 'shape': \(shape), }\n"
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8)
      + (0..<bytes).map { UInt8($0 % 2) }
  }

  /// An NPZ file of two rows; deflated members are of one stored block.
  static func npz(isDeflated: Bool) -> [UInt8] {
    var (file, directory) = ([UInt8](), [UInt8]())
    let arrays = [("x.npy", npy("<f4", "(2, 2)", 16)), ("y.npy", npy("|u1", "(2,)", 2))]
    for (name, content) in arrays {
      let length = number(content.count, 2)
      let data =
        isDeflated ? [1] + length + length.map { ~$0 } + content : content
      let common =
        [20, 0, 0, 0, isDeflated ? 8 : 0, 0, 0, 0, 0, 0] + number(Int(checksum(content)), 4)
        + number(data.count, 4) + number(content.count, 4) + number(name.utf8.count, 2) + [0, 0]
      directory +=
        [0x50, 0x4B, 1, 2, 20, 0] + common + [UInt8](repeating: 0, count: 10)
        + number(file.count, 4) + name.utf8
      file += [0x50, 0x4B, 3, 4] + common + Array(name.utf8) + data
    }
    return file + directory + [0x50, 0x4B, 5, 6, 0, 0, 0, 0, 2, 0, 2, 0]
      + number(directory.count, 4) + number(file.count, 4) + [0, 0]
  }

  private static func number(_ value: Int, _ size: Int) -> [UInt8] {
    (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  /// The CRC-32 of ZIP files.
  private static func checksum(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(UInt32.max) { sum, byte in
      (0..<8).reduce(sum ^ UInt32(byte)) { value, _ in
        value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1
      }
    }
  }

  /// A checkpoint of a network with one layer, written by a training run.
  static let checkpoint: [UInt8] = {
    var options = TrainingOptions()
    options.data = "synthetic:8x2x2"
    options.layers = []
    options.batch = 8
    options.steps = 1
    options.optimizer = .sgd
    options.run = NSTemporaryDirectory() + "lockstep-fuzz-run-\(getpid())"
    defer { try? FileManager.default.removeItem(atPath: options.run ?? "") }
    do {
      _ = try TrainingLoop(options, group: SingleProcessGroup(), version: "fuzz").run()
      let path = "\(options.run ?? "")/checkpoints/step-000000001.safetensors"
      return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    } catch {
      fatalError("can't write the sample checkpoint: \(error)")
    }
  }()

  /// A file with the length and the checksum of its header corrected, if the header has a checksum.
  ///
  /// Otherwise nearly all mutated checkpoints would be refused for these alone.
  static func signed(_ content: [UInt8]) -> [UInt8] {
    guard content.count > 8 else { return content }
    let claimed = content[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let length = claimed <= UInt64(content.count - 8) ? Int(claimed) : content.count - 8
    var header = Array(content[8..<8 + length])
    let marker = Array(#""header_checksum":""#.utf8)
    guard let place = header.firstRange(of: marker)?.upperBound, place + 32 <= header.count else {
      return content
    }
    header.replaceSubrange(place..<place + 32, with: repeatElement(0x30, count: 32))
    let size = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
    let hash = (size + header).withUnsafeBytes { ContentHash(of: $0) }
    header.replaceSubrange(place..<place + 32, with: hash.description.utf8)
    return size + header + content[(8 + length)...]
  }

  private static func header(_ text: String, data: Int) -> [UInt8] {
    withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian) { Array($0) } + text.utf8
      + [UInt8](repeating: 0, count: data)
  }
}
