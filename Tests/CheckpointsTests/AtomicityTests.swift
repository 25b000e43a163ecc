// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Failures
import Foundation
import Glibc
import TestSupport
import Testing

@Suite("Checkpoint writes that fail")
struct AtomicityTests {
  let temporary: TemporaryFolder
  let before = SampleTensors()
  let after = SampleTensors(shift: 1)

  init() throws {
    temporary = try TemporaryFolder()
  }

  /// Writes steps 1 and 2, the second with a failing call; returns its error.
  private func write(_ failing: FailingCalls) throws -> CheckpointError? {
    let folder = try CheckpointFolder.open(temporary.path)
    for entry in try folder.entries() { try FileManager.default.removeItem(atPath: entry.path) }
    try folder.write(tensors: before.tensors, metadata: before.metadata(step: 1))
    do {
      try CheckpointFolder(path: temporary.path, calls: failing.calls).write(
        tensors: after.tensors, metadata: after.metadata(step: 2))
      return nil
    } catch let error as CheckpointError {
      return error
    }
  }

  private func callsOfOneWrite() throws -> Int {
    let counting = FailingCalls(failing: .max, manner: .death)
    #expect(try write(counting) == nil)
    return counting.count
  }

  @Test(
    "a full disk at any system call leaves the old checkpoint, no partial file and a clear error")
  func fullDisk() throws {
    let calls = try callsOfOneWrite()
    #expect(calls > 15)
    for failing in 1...calls {
      let error = try #require(try write(FailingCalls(failing: failing, manner: .error(ENOSPC))))
      #expect(error.exitStatus == .inputOutput)
      #expect(error.description.contains("No space left on device"))
      #expect(try !temporary.names.contains { $0.hasSuffix(".partial") }, "call \(failing)")
      let old = try Checkpoint(path: temporary.file("step-000000001.safetensors"))
      #expect(try before.match(old))
      try checkNewest(failing)
    }
  }

  @Test("a kill at any system call leaves an intact newest checkpoint, and the next run cleans up")
  func death() throws {
    for failing in 1...(try callsOfOneWrite()) {
      _ = try write(FailingCalls(failing: failing, manner: .death))
      try checkNewest(failing)
      _ = try CheckpointFolder.open(temporary.path)
      #expect(try !temporary.names.contains { $0.hasSuffix(".partial") }, "call \(failing)")
      try checkNewest(failing)
    }
  }

  /// Checks that the newest checkpoint is the old or the new one, intact, and that `latest` names one
  /// that exists.
  private func checkNewest(_ failing: Int) throws {
    let folder = CheckpointFolder(path: temporary.path)
    let search = try folder.newestIntact()
    let newest = try #require(search.checkpoint)
    #expect(search.skipped.isEmpty, "call \(failing)")
    #expect(try (newest.metadata.step == 1 ? before : after).match(newest))
    #expect(try folder.latest() != nil, "call \(failing)")
  }

  @Test("overwriting a checkpoint leaves it intact if the write fails")
  func overwriting() throws {
    let folder = CheckpointFolder(path: temporary.path)
    try folder.write(tensors: before.tensors, metadata: before.metadata(step: 1))
    let failing = FailingCalls(failing: 3, manner: .error(EIO))
    #expect(throws: CheckpointError.self) {
      try CheckpointFolder(path: temporary.path, calls: failing.calls).write(
        tensors: after.tensors, metadata: after.metadata(step: 1))
    }
    #expect(try before.match(try Checkpoint(path: folder.path(step: 1))))
    try folder.write(tensors: after.tensors, metadata: after.metadata(step: 1))
    #expect(try after.match(try Checkpoint(path: folder.path(step: 1))))
  }

  @Test(
    "writing to a removed folder fails, and a file in place of the folder can't be replaced by one"
  )
  func vanished() throws {
    let folder = try CheckpointFolder.open(temporary.file("gone"))
    try FileManager.default.removeItem(atPath: folder.path)
    let error = #expect(throws: CheckpointError.self) {
      try folder.write(tensors: before.tensors, metadata: before.metadata())
    }
    #expect(error?.exitStatus == .inputOutput)
    #expect(error?.description.contains("No such file or directory") == true)
    try place([], at: temporary.file("file"))
    for path in ["file", "file/below"] {
      let error = #expect(throws: CheckpointError.self) {
        try CheckpointFolder.open(temporary.file(path))
      }
      #expect(error?.exitStatus == .cannotCreate)
    }
  }

  @Test("writing to a folder without write permission fails", .enabled(if: geteuid() != 0))
  func readOnly() throws {
    let folder = try CheckpointFolder.open(temporary.file("closed"))
    chmod(folder.path, 0o500)
    defer { chmod(folder.path, 0o700) }
    let error = #expect(throws: CheckpointError.self) {
      try folder.write(tensors: before.tensors, metadata: before.metadata())
    }
    #expect(error?.exitStatus == .inputOutput)
  }
}
