// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Failures
import TestSupport
import Testing

@Suite("Malformed and hostile safetensors headers")
struct HostileHeaderTests {
  private static func tensor(_ shape: String, _ offsets: String, type: String = "F32") -> String {
    #"{"dtype":"\#(type)","shape":\#(shape),"data_offsets":\#(offsets)}"#
  }

  static let headers: [(String, String)] = [
    ("", "violates the safetensors format"),
    ("[]", "violates the safetensors format"),
    ("{", "violates the safetensors format"),
    ("{} x", "violates the safetensors format"),
    (#"{"a":1}"#, "violates the safetensors format"),
    (#"{"a":{}}"#, "lacks a valid type"),
    (#"{"a":\#(tensor("[2]", "[0,8]", type: "F64"))}"#, "of type F64"),
    (#"{"a":\#(tensor("[2]", "[0,4]"))}"#, "does not fit"),
    (#"{"a":\#(tensor("[2]", "[0,12]"))}"#, "does not fit"),
    (#"{"a":\#(tensor("[2]", "[8,0]"))}"#, "lacks a valid type"),
    (#"{"a":\#(tensor("[2]", "[0,8,8]"))}"#, "lacks a valid type"),
    (#"{"a":\#(tensor("[-2]", "[0,8]"))}"#, "violates the safetensors format"),
    (#"{"a":\#(tensor("[2.0]", "[0,8]"))}"#, "violates the safetensors format"),
    (#"{"a":\#(tensor("[02]", "[0,8]"))}"#, "violates the safetensors format"),
    (#"{"a":\#(tensor("[2]", "[4,12]"))}"#, "does not begin"),
    (#"{"a":\#(tensor("[1]", "[0,4]"))}"#, "the tensors take 4 bytes, the file has 8"),
    (#"{"a":\#(tensor("[3]", "[0,12]"))}"#, "the tensors take 12 bytes, the file has 8"),
    (
      #"{"a":\#(tensor("[2]", "[0,8]")),"b":\#(tensor("[1]", "[4,8]"))}"#, "does not begin"
    ),
    (#"{"a":\#(tensor("[2]", "[0,8]")),"a":\#(tensor("[0]", "[8,8]"))}"#, "two entries 'a'"),
    (#"{"a":\#(tensor("[4611686018427387904,4]", "[0,8]"))}"#, "does not fit"),
    (#"{"a":\#(tensor("[4611686018427387904]", "[0,8]"))}"#, "does not fit"),
    (#"{"a":\#(tensor("[99999999999999999999]", "[0,8]"))}"#, "violates the safetensors format"),
    (#"{"a":\#(tensor("[2]", "[0,9223372036854775807]"))}"#, "does not fit"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}"#, "unknown entry"),
    (#"{"__metadata__":{"a":1}}"#, "violates the safetensors format"),
    (#"{"__metadata__":{"a":"\ud800"}}"#, "violates the safetensors format"),
    (#"{"__metadata__":{"a":"\ud800\u0041"}}"#, "violates the safetensors format"),
    (#"{"__metadata__":{"a":"\u00G0"}}"#, "violates the safetensors format"),
    (#"{"__metadata__":{"header_checksum":""}}"#, "not 32 digits"),
    (#"{"__metadata__":{"checksums":"{\"b\":\"0\"}"}}"#, "take 0 bytes"),
    (
      #"{"__metadata__":{"checksums":"{}"},"a":\#(tensor("[2]", "[0,8]"))}"#,
      "list of checksums differ"
    ),
    (
      #"{"__metadata__":{"checksums":"{\"a\":\"12\"}"},"a":\#(tensor("[2]", "[0,8]"))}"#,
      "not 32 digits"
    ),
  ]

  @Test("a malformed header is refused with the reason", arguments: headers)
  func refused(header: String, what: String) throws {
    let folder = try TemporaryFolder()
    try place(safetensors(header, data: [UInt8](repeating: 0, count: 8)), at: folder.file("x"))
    let error = #expect(throws: CheckpointError.self) {
      try SafetensorsFile(path: folder.file("x"))
    }
    #expect(error?.exitStatus == .badData)
    #expect(error?.description.contains(what) == true, "\(String(describing: error))")
  }

  @Test("deeply nested JSON in a header does not exhaust the stack", arguments: ["[", #"{"a":"#])
  func nesting(opening: String) throws {
    let folder = try TemporaryFolder()
    let header = String(repeating: opening, count: 100_000)
    try place(safetensors(header), at: folder.file("x"))
    let error = #expect(throws: CheckpointError.self) {
      try SafetensorsFile(path: folder.file("x"))
    }
    #expect(error?.exitStatus == .badData)
  }

  @Test("a header that is not UTF-8 is refused")
  func notUTF8() throws {
    let folder = try TemporaryFolder()
    var content = safetensors(#"{"__metadata__":{"a":"?"}}"#)
    content[content.count - 4] = 0xFF
    try place(content, at: folder.file("x"))
    let error = #expect(throws: CheckpointError.self) {
      try SafetensorsFile(path: folder.file("x"))
    }
    #expect(error?.description.contains("not UTF-8") == true)
  }

  @Test(
    "a huge header length is refused before memory is allocated",
    arguments: [
      100_000_001, UInt64(Int.max), .max, 50_000_000,
    ])
  func hugeLength(length: UInt64) throws {
    let folder = try TemporaryFolder()
    let content = withUnsafeBytes(of: length.littleEndian) { Array($0) } + Array("{}".utf8)
    try place(content, at: folder.file("x"))
    let error = #expect(throws: CheckpointError.self) {
      try SafetensorsFile(path: folder.file("x"))
    }
    #expect(error?.exitStatus == .badData)
  }

  @Test("missing files have another exit status than folders and devices")
  func notFiles() throws {
    let folder = try TemporaryFolder()
    func kind(_ path: String) -> Failures.ExitStatus? {
      let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: path) }
      return error?.exitStatus
    }
    #expect(kind(folder.path) == .badData)
    #expect(kind("/dev/zero") == .badData)
    #expect(kind(folder.file("none")) == .missingInput)
    #expect(kind(folder.file("none") + "/none") == .missingInput)
  }
}
