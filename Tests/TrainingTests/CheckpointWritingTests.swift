// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Coordination
import Failures
import Foundation
import NeuralCore
import RunRecords
import TestSupport
import Testing
import Training

@Suite("Writing checkpoints")
struct CheckpointWritingTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  func options(_ name: String, _ change: (inout TrainingOptions) -> Void = { _ in })
    -> TrainingOptions
  {
    var options = TrainingOptions()
    options.data = "synthetic:97x6x3"
    options.layers = [8]
    options.batch = 20
    options.steps = 40
    options.logEvery = 1
    options.checkpointEvery = 3
    options.run = "\(folder.path)/\(name)"
    change(&options)
    return options
  }

  /// Trains, and returns the warnings.
  @discardableResult
  func train(_ options: TrainingOptions) throws -> [String] {
    var warnings: [String] = []
    _ = try TrainingLoop(
      options, group: SingleProcessGroup(), version: "test",
      observe: { if case .warned(let message) = $0 { warnings.append(message) } }
    ).run()
    return warnings
  }

  func bytes(_ run: String, _ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/\(run)/\(name)"))
  }

  @Test(
    "Checkpoints have the same bytes whether training continues during the write or waits for it")
  func overlap() throws {
    try train(options("on"))
    try train(options("still") { $0.waitsForCheckpoints = true })
    let names = try FileManager.default.contentsOfDirectory(
      atPath: "\(folder.path)/on/checkpoints")
    #expect(names.count == 16)
    for name in names {
      #expect(try bytes("on", "checkpoints/\(name)") == bytes("still", "checkpoints/\(name)"))
    }
    #expect(try bytes("on", "metrics.jsonl") == bytes("still", "metrics.jsonl"))
  }

  @Test("Every checkpoint holds the digest of its own weights")
  func digest() throws {
    try train(options("r") { $0.digestEvery = 7 })
    for entry in try CheckpointFolder(path: "\(folder.path)/r/checkpoints").entries() {
      let model = try LoadedModel(path: entry.path)
      #expect(model.network.store.digest() == model.metadata.digest)
    }
  }

  @Test(
    "A background write that fails ends the run and names the last good checkpoint"
  )
  func failure() throws {
    let run = "\(folder.path)/r"
    var isBroken = false
    let error = #expect(throws: Failure.self) {
      _ = try TrainingLoop(
        options("r") { $0.steps = 100_000 }, group: SingleProcessGroup(), version: "test",
        observe: { event in
          guard case .progress(let progress) = event, progress.step == 11, !isBroken else { return }
          // In the place of the next partial file stands something that can't be written to.
          isBroken = true
          try? FileManager.default.createDirectory(
            atPath: run + "/checkpoints/step-000000012.safetensors.partial",
            withIntermediateDirectories: false)
        }
      ).run()
    }
    #expect(error?.status.rawValue == 74)
    let words = "the last good checkpoint is \(run)/checkpoints/step-000000009.safetensors"
    #expect(error?.message.contains(words) == true, "\(String(describing: error))")
    #expect(error?.message.contains("Is a directory") == true)
    let lines = try folder.text(of: "r/metrics.jsonl").split(separator: "\n").count
    #expect(lines >= 12 && lines < 1000, "stopped after \(lines) lines")
  }

  @Test("A run directory that is removed ends the run and is not recreated")
  func vanished() throws {
    let run = "\(folder.path)/r"
    let error = #expect(throws: Failure.self) {
      _ = try TrainingLoop(
        options("r") { $0.steps = 100_000 }, group: SingleProcessGroup(), version: "test",
        observe: { event in
          guard case .progress(let progress) = event, progress.step == 20 else { return }
          // Once more where a checkpoint came in while the folder was being emptied.
          while FileManager.default.fileExists(atPath: run) {
            try? FileManager.default.removeItem(atPath: run)
          }
        }
      ).run()
    }
    #expect(error?.status.rawValue == 74)
    #expect(error?.message.contains("the run directory was removed") == true)
    #expect(!FileManager.default.fileExists(atPath: run))
  }

  @Test("A metrics file that is removed ends the run at the next checkpoint")
  func removedMetrics() throws {
    let error = #expect(throws: Failure.self) {
      _ = try TrainingLoop(
        options("r") { $0.steps = 100_000 }, group: SingleProcessGroup(), version: "test",
        observe: { event in
          guard case .progress(let progress) = event, progress.step == 20 else { return }
          try? FileManager.default.removeItem(atPath: "\(folder.path)/r/metrics.jsonl")
        }
      ).run()
    }
    #expect(error?.status.rawValue == 74)
    #expect(error?.message.contains("metrics.jsonl") == true)
    #expect(error?.message.contains("the last good checkpoint is") == true)
  }

  @Test("A timing file that can't be written gives one warning and changes nothing else")
  func timing() throws {
    try train(options("whole") { $0.steps = 60 })
    try train(options("r"))
    try FileManager.default.removeItem(atPath: "\(folder.path)/r/timing.jsonl")
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder.path)/r/timing.jsonl", withDestinationPath: "/dev/full")
    let warnings = try train(
      options("r") {
        $0.steps = 60
        $0.resume = .newest
      })
    #expect(warnings.count == 1)
    #expect(warnings.first?.contains("timing.jsonl' failed: No space left on device") == true)
    #expect(try bytes("r", "metrics.jsonl") == bytes("whole", "metrics.jsonl"))
  }

  @Test(
    "A finished run that resumes for more epochs has the metrics of a run of that length",
    arguments: [(10, nil, 1), (7, nil, 1), (10, 3, 1), (8, 5, 2), (4, 6, 3), (40, 40, 1)]
      as [(Int, Int?, Int)])
  func longer(logEvery: Int, digestEvery: Int?, evaluateEvery: Int) throws {
    let change = { (epochs: Int) in
      { (options: inout TrainingOptions) in
        // Four steps in an epoch.
        options.steps = nil
        options.epochs = epochs
        options.logEvery = logEvery
        options.digestEvery = digestEvery
        options.evaluateEvery = evaluateEvery
      }
    }
    try train(options("whole", change(7)))
    try train(options("r", change(4)))
    try train(
      options("r") {
        change(7)(&$0)
        $0.resume = .newest
      })
    #expect(try folder.text(of: "r/metrics.jsonl") == folder.text(of: "whole/metrics.jsonl"))
    let last = "checkpoints/step-000000028.safetensors"
    #expect(try bytes("r", last) == bytes("whole", last))
  }

  @Test("A model that claims more weights than its file has is refused before memory is allocated")
  func hugeModel() throws {
    try train(options("r"))
    let folder = CheckpointFolder(path: "\(folder.path)/r/checkpoints")
    let good = try Checkpoint(path: folder.path(step: 40))
    var metadata = good.metadata
    metadata.model = metadata.model.replacing("[6,8,3]", with: "[16777216,16777216,3]")
    metadata.step = 41
    let buffers = try good.tensors.map { ($0, try good.tensor($0.name)) }
    let path = try folder.write(
      tensors: buffers.map { NamedTensor(name: $0.name, shape: $0.shape, in: $1) },
      metadata: metadata)
    let error = #expect(throws: CheckpointError.self) { try LoadedModel(path: path) }
    #expect(error?.exitStatus.rawValue == 65)
  }
}
