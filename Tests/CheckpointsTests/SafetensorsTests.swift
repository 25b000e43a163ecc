// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import NeuralCore
import TestSupport
import Testing

@Suite("Safetensors files")
struct SafetensorsTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  // The checksums were computed with Python's xxhash package.
  static let header =
    #"{"__metadata__":{"checksums":"{\"a\":\"bf3bd3ced6c00f782b995e730250f36a\","#
    + #"\"b.c\":\"cf7d0861a11f611863bfd918aa1a1a70\"}","#
    + #""header_checksum":"3a61a2c96ca45b0a51baefb47db25078","#
    + #""note":"quote \" slash \\ line\n ü"},"#
    + #""a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"#
    + #""b.c":{"dtype":"F32","shape":[],"data_offsets":[24,28]}}    "#
  static let data: [UInt8] = [
    0, 0, 0, 0, 0, 0, 0x80, 0x3F, 0, 0, 0x80, 0xBF, 0, 0, 0, 0x3F,
    0, 0, 0xC0, 0x3F, 0, 0, 0, 0x40, 0, 0, 0x50, 0x40,
  ]
  static let metadata = ["note": "quote \" slash \\ line\n ü"]

  private func writeGolden(_ name: String) throws -> String {
    let a = AlignedBuffer<Float>([0, 1, -1, 0.5, 1.5, 2])
    let b = AlignedBuffer<Float>([3.25])
    let path = folder.file(name)
    try SafetensorsWriter.write(
      [
        NamedTensor(name: "a", shape: [2, 3], in: a),
        NamedTensor(name: "b.c", shape: [], in: b),
      ], metadata: Self.metadata, to: path)
    return path
  }

  @Test("a small safetensors file has exactly the bytes that were computed by hand")
  func golden() throws {
    let written = try bytes(of: try writeGolden("golden"))
    #expect(written == safetensors(Self.header, data: Self.data))
    #expect((8 + Self.header.utf8.count) % 8 == 0)
  }

  @Test("the tensors and the string map of a safetensors file are read back")
  func roundTrip() throws {
    let file = try SafetensorsFile(path: try writeGolden("file"))
    #expect(file.metadata["note"] == Self.metadata["note"])
    #expect(file.tensors.map(\.name) == ["a", "b.c"])
    #expect(file.tensors.map(\.shape) == [[2, 3], []])
    #expect(values(of: try file.tensor("a")) == [0, 1, -1, 0.5, 1.5, 2])
    #expect(values(of: try file.tensor("b.c")) == [3.25])
    #expect(file.entry("c") == nil)
    try file.verify()
  }

  @Test("a column-major matrix is row-major in the file, and is read back in either order")
  func columnMajor() throws {
    let layout = TensorLayout(shape: [2, 3], order: .columnMajor)
    let columns: [Float] = [0, 0.5, 1, 1.5, -1, 2]
    let path = folder.file("columns")
    try SafetensorsWriter.write(
      [NamedTensor(name: "a", layout: layout, in: AlignedBuffer(columns))], metadata: [:], to: path)
    let file = try SafetensorsFile(path: path)
    #expect(values(of: try file.tensor("a")) == [0, 1, -1, 0.5, 1.5, 2])
    try file.verify()
    let back = AlignedBuffer<Float>(count: 6)
    try file.read("a", as: layout, into: back.mutableElements)
    #expect(values(of: back) == columns)
    let other = TensorLayout(shape: [3, 2], order: .columnMajor)
    #expect(throws: CheckpointError.self) {
      try file.read("a", as: other, into: back.mutableElements)
    }
  }

  @Test("the bits of NaN, infinities, negative zero and subnormal numbers are kept in a file")
  func allBits() throws {
    let patterns: [UInt32] = [0x7FC0_0001, 0xFFA0_1234, 0x7F80_0000, 0x8000_0000, 1, 0xFFFF_FFFF]
    let buffer = AlignedBuffer<Float>(patterns.map { Float(bitPattern: $0) })
    let path = folder.file("bits")
    try SafetensorsWriter.write(
      [NamedTensor(name: "x", shape: [6], in: buffer)], metadata: [:], to: path)
    #expect(values(of: try SafetensorsFile(path: path).tensor("x")).map(\.bitPattern) == patterns)
  }

  @Test("a safetensors file may have no tensors, and a tensor no values")
  func empty() throws {
    let path = folder.file("empty")
    try SafetensorsWriter.write([], metadata: [:], to: path)
    #expect(try SafetensorsFile(path: path).tensors.isEmpty)
    let none = AlignedBuffer<Float>(count: 0)
    let one = AlignedBuffer<Float>([1])
    try SafetensorsWriter.write(
      [
        NamedTensor(name: "none", shape: [3, 0], in: none),
        NamedTensor(name: "one", shape: [1, 1], in: one),
        NamedTensor(name: "nought", shape: [0], in: none),
      ], metadata: [:], to: path)
    let file = try SafetensorsFile(path: path)
    #expect(file.entry("none")?.count == 0)
    #expect(try file.tensor("nought").count == 0)
    #expect(try file.tensor("one")[0] == 1)
    try file.verify()
  }

  @Test("tensors may be parts of one buffer, which they keep alive")
  func partsOfBuffer() throws {
    func parts() -> [NamedTensor] {
      let buffer = AlignedBuffer<Float>((0..<1000).map { Float($0) })
      return [
        NamedTensor(name: "head", shape: [300], in: buffer),
        NamedTensor(name: "tail", shape: [2, 350], in: buffer, at: 300),
      ]
    }
    let path = folder.file("parts")
    try SafetensorsWriter.write(parts(), metadata: [:], to: path)
    let file = try SafetensorsFile(path: path)
    #expect(values(of: try file.tensor("head")) == (0..<300).map { Float($0) })
    #expect(values(of: try file.tensor("tail")) == (300..<1000).map { Float($0) })
  }

  @Test("a safetensors file of another program, without checksums and in another order, is read")
  func foreign() throws {
    let path = folder.file("foreign")
    let header = """
      { "b" : {"shape":[1],"dtype":"F32","data_offsets":[4,8]} ,
        "\\u00fc\\ud83d\\ude00": {"dtype":"F32","shape":[],"data_offsets":[0,4]} }
      """
    try place(safetensors(header, data: Array(Self.data[4..<12])), at: path)
    let file = try SafetensorsFile(path: path)
    #expect(file.tensors.map(\.name) == ["ü😀", "b"])
    #expect(try file.tensor("b")[0] == -1)
    #expect(throws: CheckpointError.self) { try Checkpoint(path: path) }
  }

  @Test("reading a tensor into memory of the wrong size is refused")
  func wrongSize() throws {
    let file = try SafetensorsFile(path: try writeGolden("file"))
    let buffer = AlignedBuffer<Float>(count: 5)
    let error = #expect(throws: CheckpointError.self) {
      try file.read("a", into: buffer.mutableElements)
    }
    #expect(error?.description.contains("has 6 values, expected 5") == true)
  }

  static let python3 = ["/usr/bin/python3", "/usr/local/bin/python3"].first {
    FileManager.default.isExecutableFile(atPath: $0)
  }

  @Test("Python reads a safetensors file with its standard library", .enabled(if: python3 != nil))
  func pythonReads() throws {
    let script = """
      import json, struct, sys
      raw = open(sys.argv[1], 'rb').read()
      n, = struct.unpack_from('<Q', raw)
      header = json.loads(raw[8:8 + n])
      header.pop('__metadata__')
      for name, t in header.items():
          a, b = t['data_offsets']
          values = struct.unpack('<%df' % ((b - a) // 4), raw[8 + n + a:8 + n + b])
          print(name, t['dtype'], t['shape'], list(values))
      """
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(Self.python3))
    process.arguments = ["-c", script, try writeGolden("python")]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(output == "a F32 [2, 3] [0.0, 1.0, -1.0, 0.5, 1.5, 2.0]\nb.c F32 [] [3.25]\n")
  }
}
