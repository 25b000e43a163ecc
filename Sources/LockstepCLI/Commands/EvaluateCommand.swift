// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Coordination
import Datasets
import Foundation
import NeuralCore
import Training

/// The command `evaluate`: evaluates a model on data.
struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Evaluate a model on data: loss, and accuracy for classes.",
    discussion: DataHelp.text)

  @Argument(help: "A checkpoint file, or a run directory for its newest intact checkpoint.")
  var model: String

  @Argument(help: "Evaluation data: the test set if there is one, otherwise all rows.")
  var data: String

  @Option(
    help: """
      Target column of a table, by name or number; several separated by commas. \
      (default: last column)
      """)
  var target: String?

  @Option(help: "Slices that the rows are split into. (default: number of ranks)")
  var slices: Int?

  @Flag(help: "Print the result as JSON.")
  var json = false

  @OptionGroup(title: StallOptions.title)
  var stallOptions: StallOptions

  func run() throws {
    try Session.run(stallOptions.limits) { group in
      let loaded = try group.agree { try load(ranks: group.size) }
      let data = try HostData.load(on: group) { try read(for: loaded.description) }
      let dataset = data.heldOut ?? data.training
      try group.agree { try check(dataset, suits: loaded) }
      try group.join(
        loaded.network, slices: slices ?? group.size, exchange: ExchangeOptions())
      let rows = Array(0..<Int32(dataset.rows))
      let totals = try Evaluator(loaded.network, dataset, rows: rows).run()
      if group.rank == 0 { show(totals, hasClasses: !loaded.description.labels.isEmpty) }
    }
  }

  private func load(ranks: Int) throws -> LoadedModel {
    if let slices, slices < ranks {
      throw TrainingError.usage("--slices \(slices): fewer slices than the \(ranks) ranks")
    }
    return try LoadedModel(path: model)
  }

  private func read(for description: ModelDescription) throws -> LoadedData {
    try Dataset.load(
      DataSource.parse(data),
      LoadOptions(
        targets: description.labels.isEmpty ? .numeric : .classes,
        targetColumns: target?.split(separator: ",").map(String.init) ?? [],
        knownLabels: description.labels.isEmpty ? nil : description.labels))
  }

  private func check(_ dataset: Dataset, suits loaded: LoadedModel) throws {
    guard dataset.columns == loaded.network.inputs, dataset.outputs == loaded.network.outputs else {
      throw TrainingError.unsuitableData(
        "\(self.data): \(dataset.columns) features and \(dataset.outputs) outputs, but the model has "
          + "\(loaded.network.inputs) and \(loaded.network.outputs)")
    }
  }

  private func show(_ totals: BatchTotals, hasClasses: Bool) {
    let words: String
    if json {
      let accuracy = hasClasses ? ", \"accuracy\": \(totals.accuracy)" : ""
      words = "{\"rows\": \(totals.rows), \"loss\": \(totals.loss)\(accuracy)}\n"
    } else {
      let accuracy =
        hasClasses ? String(format: "accuracy  %.2f %%\n", 100 * totals.accuracy) : ""
      words = "rows      \(totals.rows)\nloss      \(totals.loss)\n\(accuracy)"
    }
    Terminal.write(words, to: .standardOutput)
  }
}
