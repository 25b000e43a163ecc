// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Failures
import Foundation
import NeuralCore
import TestSupport
import Testing

@Suite("Checkpoint metadata")
struct CheckpointMetadataTests {
  let folder: TemporaryFolder
  let sample = SampleTensors()

  init() throws {
    folder = try TemporaryFolder()
  }

  /// Writes a file with a valid string map except for some entries.
  private func write(changing changes: [String: String?]) throws -> String {
    var strings = [
      "format": "lockstep checkpoint", "format_version": "1", "step": "3", "epoch": "0",
      "position_in_epoch": "3", "seed": "0", "slices": "1", "config": "{}", "model": "{}",
      "digest": String(repeating: "0", count: 32),
    ]
    strings.merge(changes.compactMapValues { $0 }) { $1 }
    for (key, value) in changes where value == nil { strings[key] = nil }
    try SafetensorsWriter.write(sample.tensors, metadata: strings, to: folder.file("x"))
    return folder.file("x")
  }

  @Test("every field of the metadata is read back, with the checksums of the tensors")
  func roundTrip() throws {
    let checkpoints = CheckpointFolder(path: folder.path)
    let written = sample.metadata()
    let path = try checkpoints.write(tensors: sample.tensors, metadata: written)
    let read = try Checkpoint(path: path).metadata
    #expect(read.step == 120 && read.epoch == 2 && read.positionInEpoch == 7)
    #expect(read.seed == .max && read.slices == 4 && read.formatVersion == 1)
    #expect(read.config == written.config && read.model == written.model)
    #expect(read.digest == written.digest && read.extra == written.extra)
    #expect(read.epochLoss == nil)
    #expect(Set(read.checksums.keys) == Set(sample.names))
    for (name, buffer) in zip(sample.names, sample.buffers) {
      let hash = ContentHash(of: UnsafeRawBufferPointer(buffer.elements))
      #expect(read.checksums[name] == hash)
    }
  }

  @Test(
    "the loss of the epoch so far is read back with the same bits",
    arguments: [0.1, .leastNonzeroMagnitude, 7])
  func epochLoss(loss: Double) throws {
    var written = sample.metadata()
    written.epochLoss = EpochLoss().adding(meanLoss: loss, rows: 128).adding(
      meanLoss: 1 / 3, rows: 1)
    let path = try CheckpointFolder(path: folder.path).write(
      tensors: sample.tensors, metadata: written)
    let read = try #require(try Checkpoint(path: path).metadata.epochLoss)
    #expect(read == written.epochLoss && read.rows == 129)
    #expect(read.mean == (loss * 128 + 1 / 3) / 129)
  }

  @Test("metadata is encoded to JSON as the string map of the file, and decoded again")
  func codable() throws {
    let path = try CheckpointFolder(path: folder.path).write(
      tensors: sample.tensors, metadata: sample.metadata())
    let metadata = try Checkpoint(path: path).metadata
    let json = try JSONEncoder().encode(metadata)
    #expect(try JSONDecoder().decode(CheckpointMetadata.self, from: json) == metadata)
    let strings = try JSONDecoder().decode([String: String].self, from: json)
    #expect(strings["format"] == "lockstep checkpoint" && strings["position_in_epoch"] == "7")
  }

  @Test("a checkpoint of a newer format version is refused, with its version")
  func newerFormat() throws {
    let path = try write(changing: ["format_version": "2", "step": nil])
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: path) }
    #expect(error == .newerFormat(path: path, version: 2))
    #expect(error?.exitStatus == .badData)
  }

  @Test("unknown metadata entries are ignored and kept")
  func unknownKeys() throws {
    let path = try write(changing: ["color": "blue"])
    #expect(try Checkpoint(path: path).metadata.extra == ["color": "blue"])
  }

  @Test(
    "an error names the metadata entry that is missing or invalid",
    arguments: [
      ("format", nil, "not a Lockstep checkpoint"), ("format", "pt", "not a Lockstep checkpoint"),
      ("step", nil, "lacks 'step'"), ("step", "-1", "'step' is negative"),
      ("step", "+1", "'step' is '+1'"), ("epoch", "1.0", "'epoch' is '1.0'"),
      ("seed", "18446744073709551616", "'seed'"), ("slices", "0", "'slices' is 0"),
      ("position_in_epoch", "", "'position_in_epoch'"), ("digest", "12", "digest"),
      ("config", nil, "lacks 'config'"), ("model", nil, "lacks 'model'"),
      ("format_version", "0", "version"),
    ] as [(String, String?, String)])
  func nonsense(key: String, value: String?, what: String) throws {
    let path = try write(changing: [key: value])
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: path) }
    #expect(error?.exitStatus == .badData)
    #expect(error?.description.contains(what) == true, "\(String(describing: error))")
  }

  @Test(
    "an error names an entry of the epoch's loss that is invalid",
    arguments: [
      ("nan", "1", "'epoch_loss_sum' is 'nan'"), ("1", nil, "lacks 'epoch_loss_rows'"),
      ("1", "-1", "'epoch_loss_rows' is negative"),
    ] as [(String, String?, String)])
  func epochLossNonsense(sum: String, rows: String?, what: String) throws {
    let path = try write(changing: ["epoch_loss_sum": sum, "epoch_loss_rows": rows])
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: path) }
    #expect(error?.description.contains(what) == true, "\(String(describing: error))")
  }

  @Test(
    "what was seen of a monitored metric is read back with the same bits",
    arguments: [nil, 0.1, -0x1p-1060, 7] as [Double?])
  func monitor(best: Double?) throws {
    var written = sample.metadata()
    var state = MonitorState()
    state.best = best.map { MonitorState.Best(value: $0 / 3, step: 576) }
    (state.evaluationsSinceBest, state.evaluationsOnPlateau) = (5, 2)
    state.rateFactor = 0.1 * 0.1 * 0.1
    written.monitor = state
    let path = try CheckpointFolder(path: folder.path).write(
      tensors: sample.tensors, metadata: written)
    #expect(try Checkpoint(path: path).metadata.monitor == state)
    let none = try CheckpointFolder(path: folder.path).write(
      tensors: sample.tensors, metadata: sample.metadata(step: 1))
    #expect(try Checkpoint(path: none).metadata.monitor == nil)
  }

  @Test(
    "an error names an entry of the monitored metric that is invalid",
    arguments: [
      ("best_value", "inf", "'best_value' is 'inf'"), ("best_step", nil, "lacks 'best_step'"),
      ("best_step", "-1", "'best_step' is negative"),
      ("learning_rate_factor", nil, "lacks 'learning_rate_factor'"),
      ("learning_rate_factor", "2", "not between 0 and 1"),
      ("evaluations_since_best", "x", "'evaluations_since_best' is 'x'"),
      ("evaluations_on_plateau", "-1", "'evaluations_on_plateau' is negative"),
    ] as [(String, String?, String)])
  func monitorNonsense(key: String, value: String?, what: String) throws {
    var entries: [String: String?] = [
      "best_value": "1", "best_step": "2", "evaluations_since_best": "0",
      "learning_rate_factor": "1.0", "evaluations_on_plateau": "0",
    ]
    entries.updateValue(value, forKey: key)
    let path = try write(changing: entries)
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: path) }
    #expect(error?.description.contains(what) == true, "\(String(describing: error))")
  }

  @Test("extra metadata entries can't replace fields")
  func reservedExtra() throws {
    var metadata = sample.metadata()
    metadata.extra = ["step": "9", "header_checksum": "x", "mine": "y"]
    let path = try CheckpointFolder(path: folder.path).write(
      tensors: sample.tensors, metadata: metadata)
    let read = try Checkpoint(path: path).metadata
    #expect(read.step == 120 && read.extra == ["mine": "y"])
  }
}
