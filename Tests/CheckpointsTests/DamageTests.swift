// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Failures
import Foundation
import NeuralCore
import TestSupport
import Testing

@Suite("Damaged checkpoints")
struct DamageTests {
  let folder: TemporaryFolder
  let path: String
  let intact: [UInt8]

  init() throws {
    folder = try TemporaryFolder()
    path = folder.file("damaged")
    let sample = SampleTensors()
    let checkpoints = CheckpointFolder(path: folder.path)
    intact = try bytes(
      of: try checkpoints.write(tensors: sample.tensors, metadata: sample.metadata()))
  }

  /// Why a checkpoint of these bytes is refused, or nil if it is accepted.
  private func refusal(_ content: [UInt8]) throws -> CheckpointError? {
    try place(content, at: path)
    do {
      let checkpoint = try Checkpoint(path: path)
      try checkpoint.verify()
      for entry in checkpoint.tensors { _ = try checkpoint.tensor(entry.name) }
      return nil
    } catch let error as CheckpointError {
      return error
    }
  }

  @Test("an intact checkpoint is accepted")
  func intactFile() throws {
    #expect(try refusal(intact) == nil)
  }

  @Test("a flip of any single bit of a checkpoint is detected")
  func flips() throws {
    for index in intact.indices {
      for bit in 0..<8 {
        var content = intact
        content[index] ^= 1 << bit
        let kind = try refusal(content)?.exitStatus
        guard kind == .badData else {
          Issue.record("bit \(bit) of byte \(index): \(String(describing: kind))")
          return
        }
      }
    }
  }

  @Test("truncation of a checkpoint to any length is detected, and so are added bytes")
  func cuts() throws {
    for length in 0..<intact.count {
      let kind = try refusal(Array(intact[..<length]))?.exitStatus
      #expect(kind == .badData, "cut to \(length) bytes")
    }
    for added in [1, 4, 8, 4096] {
      #expect(try refusal(intact + [UInt8](repeating: 0, count: added))?.exitStatus == .badData)
    }
  }

  @Test("a flipped bit in a tensor is detected when only that tensor is read")
  func singleTensor() throws {
    var content = intact
    content[intact.count - 1] ^= 1
    try place(content, at: path)
    let checkpoint = try Checkpoint(path: path)
    _ = try checkpoint.tensor("layers.0.weight")
    let error = #expect(throws: CheckpointError.self) {
      try checkpoint.tensor("layers.0.norm.gamma")
    }
    #expect(error?.description.contains("'layers.0.norm.gamma' does not match") == true)
  }

  @Test(
    "thousands of random changes to a checkpoint are refused", arguments: [1, 2, 3, 4] as [UInt64])
  func mutations(seed: UInt64) throws {
    var random = SeededGenerator(state: seed)
    for round in 0..<2_500 {
      var content = intact
      for _ in 0...Int.random(in: 0..<4, using: &random) { mutate(&content, using: &random) }
      guard content != intact else { continue }
      let kind = try refusal(content)?.exitStatus
      guard kind == .badData else {
        Issue.record("seed \(seed), round \(round): \(String(describing: kind))")
        return
      }
    }
  }

  @Test("random changes with a correct header checksum never trap", arguments: [5, 6] as [UInt64])
  func signedMutations(seed: UInt64) throws {
    var random = SeededGenerator(state: seed)
    var accepted = 0
    for _ in 0..<5_000 {
      var content = intact
      for _ in 0...Int.random(in: 0..<3, using: &random) { mutate(&content, using: &random) }
      sign(&content)
      if let error = try refusal(content) {
        #expect(error.exitStatus == .badData)
      } else {
        accepted += 1
      }
    }
    // Some changes (to the note or to a number in the metadata) leave a valid file; most must not.
    #expect(accepted < 2_500)
  }

  private func mutate(_ content: inout [UInt8], using random: inout SeededGenerator) {
    guard content.count > 1 else { return }
    let start = Int.random(in: 0..<content.count, using: &random)
    let end = min(content.count, start + Int.random(in: 0..<40, using: &random))
    let words = [
      "99999999999999999999", "9223372036854775807", "-1", "\"", "{", "}", "[", "]", ",", ":", "\\",
      "\\ud800", "\\u0000", "0", "1e3", "null", "\u{FF}", "__metadata__", "F16", "[[[[[[[[",
    ]
    switch Int.random(in: 0..<6, using: &random) {
    case 0: content[start] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 1: content[start] = UInt8.random(in: .min ... .max, using: &random)
    case 2: content.removeSubrange(start..<end)
    case 3: content.insert(contentsOf: Array(content[start..<end]), at: start)
    case 4:
      let word = words.randomElement(using: &random) ?? ""
      content.insert(contentsOf: Array(word.utf8), at: start)
    default:
      let word = words.randomElement(using: &random) ?? ""
      content.replaceSubrange(start..<end, with: Array(word.utf8))
    }
  }

  /// Corrects the length and the checksum of the header, if the header has a checksum.
  private func sign(_ content: inout [UInt8]) {
    let data = 44
    guard content.count > data + 8 else { return }
    var header = Array(content[8..<(content.count - data)])
    let marker = Array(#""header_checksum":""#.utf8)
    let places = header.indices.filter { header[$0...].starts(with: marker) }
    guard let place = places.first, place + marker.count + 33 <= header.count else { return }
    let digits = (place + marker.count)..<(place + marker.count + 32)
    header.replaceSubrange(digits, with: repeatElement(UInt8(ascii: "0"), count: 32))
    let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
    let hash = (length + header).withUnsafeBytes { ContentHash(of: $0) }
    header.replaceSubrange(digits, with: hash.description.utf8)
    content = length + header + content.suffix(data)
  }
}
