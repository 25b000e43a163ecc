// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Datasets
import Foundation
import NeuralCore
import Training

/// The command `predict`: computes a model's outputs for rows.
struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Computes a model's class and probabilities, or values, a row.",
    discussion: DataHelp.text)

  @Argument(help: "A checkpoint file, or a run directory for its newest one.")
  var model: String

  @Argument(help: "The rows. A table may have a target column, which is passed over, or none.")
  var data: String

  @Option(name: .shortAndLong, help: "FILE.csv or FILE.npy. (default: CSV to standard output)")
  var output: String?

  func run() throws {
    try Session.run { group in
      try Session.agreed(group) {
        // One process is enough: the others wait for its success.
        if group.rank == 0 { try predict() }
      }
    }
  }

  private func predict() throws {
    let loaded = try LoadedModel(path: model)
    let dataset = try load(loaded)
    var writer = try PredictionWriter(
      output, loaded.description, rows: dataset.rows, columns: loaded.network.outputs)
    try Predictor(loaded).run(dataset) { _, outputs in try writer.append(outputs) }
    try writer.finish()
  }

  private func load(_ loaded: LoadedModel) throws -> Dataset {
    let source = try DataSource.parse(data)
    let inputs = loaded.network.inputs
    // A table without its target has one column less: the target's column is looked for first.
    if case .csv = source,
      let labelled = try? Dataset.load(source, LoadOptions(targets: .ignored)).training,
      labelled.columns == inputs
    {
      return labelled
    }
    let bare = try Dataset.load(source, LoadOptions(targets: .absent)).training
    guard bare.columns == inputs else {
      throw TrainingError.unsuitableData(
        "\(data): \(bare.columns) features, but the model has \(inputs)")
    }
    return bare
  }
}
