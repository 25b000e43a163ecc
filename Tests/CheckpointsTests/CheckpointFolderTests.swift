// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Failures
import Foundation
import TestSupport
import Testing

@Suite("Checkpoint folders")
struct CheckpointFolderTests {
  let temporary: TemporaryFolder
  let folder: CheckpointFolder
  let sample = SampleTensors()
  let equalSample = SampleTensors()

  init() throws {
    temporary = try TemporaryFolder()
    folder = try CheckpointFolder.open(temporary.file("run/checkpoints"))
  }

  private func write(_ steps: Int...) throws {
    for step in steps {
      try folder.write(tensors: sample.tensors, metadata: sample.metadata(step: step))
    }
  }

  private var names: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
  }

  @Test("a new folder has no checkpoints, and neither has a folder that does not exist")
  func empty() throws {
    #expect(try folder.entries().isEmpty)
    #expect(try folder.latest() == nil)
    let none = CheckpointFolder(path: temporary.file("none"))
    #expect(try none.entries().isEmpty)
    #expect(try none.newestIntact().checkpoint == nil)
  }

  @Test("checkpoints are listed by step, and latest names the one that was written last")
  func listing() throws {
    try write(0, 1_000_000_000, 120)
    #expect(try folder.entries().map(\.step) == [0, 120, 1_000_000_000])
    #expect(folder.path(step: 120).hasSuffix("checkpoints/step-000000120.safetensors"))
    #expect(try folder.latest()?.step == 120)
    #expect(
      try bytes(of: folder.path + "/latest") == Array("step-000000120.safetensors\n".utf8))
    #expect(try folder.newestIntact().checkpoint?.metadata.step == 1_000_000_000)
  }

  @Test("the same state gives a file of the same bytes in any folder")
  func deterministic() throws {
    try write(5)
    let other = try CheckpointFolder.open(temporary.file("other"))
    var metadata = sample.metadata(step: 5)
    metadata.extra = Dictionary(uniqueKeysWithValues: metadata.extra.reversed())
    try other.write(tensors: equalSample.tensors, metadata: metadata)
    #expect(try bytes(of: folder.path(step: 5)) == bytes(of: other.path(step: 5)))
  }

  @Test("the search for the newest checkpoint skips damaged ones and names each")
  func skipping() throws {
    try write(1, 2, 3, 4)
    var content = try bytes(of: folder.path(step: 4))
    content[content.count - 3] ^= 1
    try place(content, at: folder.path(step: 4))
    try place(Array(content.prefix(50)), at: folder.path(step: 3))
    let search = try folder.newestIntact()
    #expect(search.checkpoint?.metadata.step == 2)
    #expect(search.skipped.map(\.exitStatus) == [.badData, .badData])
    #expect(search.skipped.first?.description.contains("step-000000004") == true)
  }

  @Test("the search for the newest checkpoint skips a file whose name is of another step")
  func wrongName() throws {
    try write(1)
    try FileManager.default.copyItem(atPath: folder.path(step: 1), toPath: folder.path(step: 2))
    let search = try folder.newestIntact()
    #expect(search.checkpoint?.metadata.step == 1)
    #expect(search.skipped.count == 1)
  }

  @Test("retention keeps the newest K checkpoints and the best one")
  func retention() throws {
    try write(0, 10, 20, 30, 40)
    #expect(try folder.keep(2, best: 10).map(\.step) == [0, 20])
    #expect(try folder.entries().map(\.step) == [10, 30, 40])
    #expect(try folder.keep(5).isEmpty)
    #expect(try folder.keep(0).map(\.step) == [10, 30])
    #expect(try folder.entries().map(\.step) == [40])
  }

  @Test("retention never removes the checkpoint that latest names")
  func retentionOfLatest() throws {
    try write(50, 60, 40)
    #expect(try folder.keep(1).map(\.step) == [50])
    #expect(try folder.entries().map(\.step) == [40, 60])
  }

  @Test("best names a checkpoint, which retention never removes")
  func best() throws {
    #expect(try folder.best() == nil)
    try write(10, 20, 30, 40)
    try folder.publishBest(step: 20)
    #expect(try folder.best()?.path == folder.path(step: 20))
    #expect(try bytes(of: folder.path + "/best") == Array("step-000000020.safetensors\n".utf8))
    #expect(try folder.keep(1).map(\.step) == [10, 30])
    try folder.publishBest(step: 40)
    try folder.remove(step: 20)
    try folder.remove(step: 20)
    #expect(try folder.entries().map(\.step) == [40])
  }

  @Test("best is repaired to name what a run found best, or removed if that does not exist")
  func repair() throws {
    try write(10, 20)
    try folder.repairBest(step: nil)
    #expect(try !names.contains("best"))
    for content in ["step-000000010.safetensors\n", "step-000000099.safetensors\n", "x", ""] {
      try place(Array(content.utf8), at: folder.path + "/best")
      try folder.repairBest(step: 20)
      #expect(try folder.best()?.step == 20)
    }
    for step in [nil, 99] {
      try folder.publishBest(step: 20)
      try folder.repairBest(step: step)
      #expect(try folder.best() == nil && !names.contains("best"))
    }
  }

  @Test(
    "a file best that names no checkpoint, or one that does not exist, is refused",
    arguments: [
      ("", "does not name a checkpoint"), ("../x", "does not name a checkpoint"),
      ("step-000000002.safetensors", "it names step-000000002.safetensors, which does not exist"),
    ])
  func strangeBest(content: String, what: String) throws {
    try write(1)
    try place(Array(content.utf8), at: folder.path + "/best")
    let error = #expect(throws: CheckpointError.self) { try folder.best() }
    #expect(error?.exitStatus == .badData)
    #expect(error?.description.contains(what) == true, "\(String(describing: error))")
  }

  @Test("a checkpoint is copied from another folder byte for byte, unless it is damaged or missing")
  func copying() throws {
    try write(7, 8)
    let other = try CheckpointFolder.open(temporary.file("other"))
    try other.copy(step: 7, from: folder)
    #expect(try bytes(of: other.path(step: 7)) == bytes(of: folder.path(step: 7)))
    var content = try bytes(of: folder.path(step: 8))
    content[content.count - 3] ^= 1
    try place(content, at: folder.path(step: 8))
    for step in [8, 9] {
      #expect(throws: CheckpointError.self) { try other.copy(step: step, from: folder) }
    }
    #expect(try other.entries().map(\.step) == [7])
  }

  @Test("opening a checkpoint folder removes the partial files of killed runs, and nothing else")
  func stalePartials() throws {
    try write(1)
    let others = ["notes.partial", "step-1.safetensors", "step-x.safetensors.partial", "readme"]
    for name in others + ["step-000000002.safetensors.partial", "latest.partial", "best.partial"] {
      try place([1], at: folder.path + "/" + name)
    }
    #expect(try folder.entries().map(\.step) == [1])
    _ = CheckpointFolder(path: folder.path)
    #expect(try names.count == 9)
    _ = try CheckpointFolder.open(folder.path)
    #expect(try names == (others + ["latest", "step-000000001.safetensors"]).sorted())
  }

  @Test(
    "a file latest that does not name a checkpoint is refused",
    arguments: ["", "../x", "step-1", "x\ny"])
  func strangeLatest(content: String) throws {
    try write(1)
    try place(Array(content.utf8), at: folder.path + "/latest")
    let error = #expect(throws: CheckpointError.self) { try folder.latest() }
    #expect(error?.exitStatus == .badData)
  }

  @Test("a file latest whose checkpoint was removed counts as absent")
  func danglingLatest() throws {
    try write(1)
    try FileManager.default.removeItem(atPath: folder.path(step: 1))
    #expect(try folder.latest() == nil)
  }
}
