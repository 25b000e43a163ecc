// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Checkpoints
import Datasets
import Failures
import Foundation
import MessagePassing
import NeuralCore
import Reports
import Training

/// The command `inspect`: shows and verifies a checkpoint.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show the contents of a checkpoint and verify its checksums.")

  @Argument(
    help: """
      A checkpoint file, or a run directory: for its best checkpoint where the run has monitored a \
      metric, otherwise for its newest intact one.
      """)
  var file: String

  @Flag(help: "Print the contents as JSON.")
  var json = false

  func run() throws {
    guard LaunchEnvironment.current.isFirst else { return }
    do {
      let checkpoint = try LoadedModel.open(file) { Terminal.note($0) }
      try checkpoint.verify()
      Terminal.write(json ? try asJSON(checkpoint) : asText(checkpoint), to: .standardOutput)
    } catch {
      throw ProgramExit(error)
    }
  }

  private func asText(_ checkpoint: Checkpoint) -> String {
    let data = checkpoint.metadata
    let model = try? ModelDescription(json: data.model, path: checkpoint.path)
    // The schema has a table of its own.
    var network = model
    network?.schema = nil
    let head = TextTable(
      [
        (name: "file", value: checkpoint.path), (name: "step", value: "\(data.step)"),
        (name: "epoch", value: "\(data.epoch), \(data.positionInEpoch) steps into it"),
        (name: "seed", value: "\(data.seed)"), (name: "slices", value: "\(data.slices)"),
      ] + monitorRows(data) + [
        (name: "digest", value: "\(data.digest)"),
        (name: "model", value: network?.json ?? data.model), (name: "config", value: data.config),
        (name: "checksums", value: "all right"),
      ])
    let schema = model.flatMap { model in
      model.schema.map {
        "\nTraining data\n" + TextTable($0.summary(rows: nil, inputs: model.widths[0])).text
      }
    }
    let tensors = checkpoint.tensors.map { tensor in
      (
        name: tensor.name,
        value: tensor.shape.map(String.init).joined(separator: " x ")
          + "  " + (data.checksums[tensor.name].map { "\($0)" } ?? "")
      )
    }
    return head.text + (schema ?? "") + "\n" + TextTable(tensors).text
  }

  /// What the run had seen of the metric that it monitored, if it monitored one.
  private func monitorRows(_ data: CheckpointMetadata) -> [(name: String, value: String)] {
    guard let monitor = data.monitor else { return [] }
    let best = monitor.best.map { "\($0.value) at step \($0.step)" } ?? "none"
    return [
      (
        name: "best so far",
        value: "\(best); \(monitor.evaluationsSinceBest) evaluations since"
      )
    ]
      + (monitor.rateFactor == 1
        ? [] : [(name: "learning rate", value: "multiplied by \(monitor.rateFactor)")])
  }

  private func asJSON(_ checkpoint: Checkpoint) throws -> String {
    struct Tensor: Encodable {
      let name: String
      let shape: [Int]
      let checksum: String?
    }
    struct Report: Encodable {
      let file: String
      let step, epoch, positionInEpoch, slices: Int
      let seed: UInt64
      let digest, model, config: String
      let tensors: [Tensor]
    }
    let data = checkpoint.metadata
    let report = Report(
      file: checkpoint.path, step: data.step, epoch: data.epoch,
      positionInEpoch: data.positionInEpoch, slices: data.slices, seed: data.seed,
      digest: "\(data.digest)", model: data.model, config: data.config,
      tensors: checkpoint.tensors.map {
        Tensor(
          name: $0.name, shape: $0.shape, checksum: data.checksums[$0.name].map { "\($0)" })
      })
    return try JSONOutput.text(report)
  }
}
