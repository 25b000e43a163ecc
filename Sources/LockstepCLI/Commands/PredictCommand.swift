// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Coordination
import Datasets
import Foundation
import MessagePassing
import NeuralCore
import Training

/// The command `predict`: computes a model's predictions for rows.
struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Predict class and probabilities, or values, for each row.",
    discussion: DataHelp.text)

  @Argument(help: "A checkpoint file, or a run directory for its newest intact checkpoint.")
  var model: String

  @Argument(help: "Rows to predict. A target column of a table is ignored; it may be missing.")
  var data: String

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "Output file, .csv or .npy. (default: CSV on standard output)", valueName: "file"))
  var output: String?

  @OptionGroup(title: StallOptions.title)
  var stallOptions: StallOptions

  func run() throws {
    try Session.run(stallOptions.limits) { group in
      group.begin(.evaluation, step: 0)
      try group.agree {
        // One process is enough: the others wait for its success.
        if group.rank == 0 { try lead(group) } else { try follow(group) }
      }
    }
  }

  /// Predicts, and lets the others know after each block of rows, so that they wait for a block at a
  /// time; rank 0.
  private func lead(_ group: any ProcessGroup) throws {
    do {
      try predict { _ = try group.allGather([1]) }
    } catch let error as MPIError {
      throw error
    } catch {
      _ = try group.allGather([0])
      throw error
    }
    _ = try group.allGather([0])
  }

  /// Waits for rank 0's blocks, to the last; the other ranks.
  private func follow(_ group: any ProcessGroup) throws {
    while try group.allGather([0])[0] == [1] {}
  }

  private func predict(afterBlock: () throws -> Void) throws {
    let loaded = try LoadedModel(path: model)
    let dataset = try load(loaded)
    var writer = try PredictionWriter(
      output, loaded.description, rows: dataset.rows, columns: loaded.network.outputs)
    try Predictor(loaded).run(dataset) { _, outputs in
      try writer.append(outputs)
      try afterBlock()
    }
    try writer.finish()
  }

  private func load(_ loaded: LoadedModel) throws -> Dataset {
    let source = try DataSource.parse(data)
    let inputs = loaded.network.inputs
    // A table without its target has one column less: the target's column is looked for first.
    if case .csv = source,
      let labeled = try? Dataset.load(source, LoadOptions(targets: .ignored)).training,
      labeled.columns == inputs
    {
      return labeled
    }
    let bare = try Dataset.load(source, LoadOptions(targets: .absent)).training
    guard bare.columns == inputs else {
      throw TrainingError.unsuitableData(
        "\(data): \(bare.columns) features, but the model has \(inputs)")
    }
    return bare
  }
}
