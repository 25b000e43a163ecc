// SPDX-License-Identifier: Apache-2.0
public import ArgumentParser
import Coordination
public import Datasets
import Foundation
import NeuralCore
import Reports
import RunRecords
import Training

/// The command `evaluate`: evaluates a model on data.
struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Evaluate a model on data: loss, and the metrics of classification or regression.",
    discussion: DataHelp.text)

  @Argument(
    help: """
      A checkpoint file, or a run directory: for its best checkpoint where the run has monitored a \
      metric, otherwise for its newest intact one.
      """)
  var model: String

  @Argument(help: "Evaluation data: the test set if there is one, otherwise all rows.")
  var data: String

  @Option(
    help: ArgumentHelp(
      "Target column of a table, by name or number. (default: that of the model)",
      valueName: "columns"))
  var target: String?

  @OptionGroup(title: TableFormatOptions.title)
  var tableFormat: TableFormatOptions

  @Option(
    help: ArgumentHelp(
      "Also metrics of each group of rows that have the same value in a column of the table.",
      valueName: "column"))
  var by: String?

  @Option(
    help: ArgumentHelp(
      "Slices that each batch is split into: the same number gives the same bits on any number of "
        + "ranks. (default: 16, or with more ranks the next power of two)"))
  var slices: Int?

  @Flag(help: "Print all metrics as JSON.")
  var json = false

  @OptionGroup(title: StallOptions.title)
  var stallOptions: StallOptions

  func run() throws {
    try Session.run(stallOptions.limits) { group in
      let loaded = try group.agree { try load(group) }
      let source = try group.agree { try DataSource.parse(data) }
      let read = try HostData.load(source, loadOptions(loaded), on: group)
      if group.rank == 0 { for notice in read.notices { Terminal.note("\(data): \(notice)") } }
      let dataset = read.heldOut ?? read.training
      try group.agree { try check(dataset, suits: loaded) }
      try group.join(
        loaded.network, slices: slices ?? Self.defaultSlices(ranks: group.size),
        exchange: ExchangeOptions())
      let evaluator = Evaluator(
        loaded.network, dataset, rows: Array(0..<Int32(dataset.rows)),
        scales: loaded.description.readingSchema.scales)
      let (totals, rows) = try evaluator.run(on: group)
      guard group.rank == 0, let rows else { return }
      let record = try rows.record(totals, groups: read.groups)
      Terminal.write(json ? record.json : record.text, to: .standardOutput)
    }
  }

  /// At least 16, so that up to 16 ranks give the same bits.
  private static func defaultSlices(ranks: Int) -> Int {
    var slices = 16
    while slices < ranks { slices *= 2 }
    return slices
  }

  private func load(_ group: any ProcessGroup) throws -> LoadedModel {
    if let slices, slices < group.size {
      throw TrainingError.usage("--slices \(slices): fewer slices than the \(group.size) ranks")
    }
    return try LoadedModel(path: model) { if group.rank == 0 { Terminal.note($0) } }
  }

  private func loadOptions(_ loaded: LoadedModel) throws -> LoadOptions {
    let description = loaded.description
    var options = LoadOptions(targets: description.labels.isEmpty ? .numeric : .classes)
    options.table = tableFormat.options
    options.table.target = target.map { CSVField.fields($0) } ?? []
    options.table.groups = by
    options.schema = description.readingSchema
    options.inputs = loaded.network.inputs
    return options
  }

  private func check(_ dataset: Dataset, suits loaded: LoadedModel) throws {
    guard dataset.columns == loaded.network.inputs, dataset.outputs == loaded.network.outputs else {
      throw TrainingError.unsuitableData(
        "\(self.data): \(dataset.columns) features and \(dataset.outputs) outputs, but the model has "
          + "\(loaded.network.inputs) and \(loaded.network.outputs)")
    }
    try loaded.description.loss.check(dataset, data)
  }
}

/// The flags that say how the text of a table is to be read.
struct TableFormatOptions: ParsableArguments {
  /// The title of this group in the help.
  static let title = "Table"

  @Option(help: "Whether the first line of a table is a header: auto, yes or no.")
  var header = HeaderName.auto

  @Option(
    help: ArgumentHelp(
      "What separates the fields of a table: comma, semicolon, tab, bar or blanks. "
        + "(default: found out)"))
  var separator: TableSeparator?

  /// How the text is read.
  var options: TableOptions {
    var options = TableOptions()
    options.separator = separator
    options.header = header == .auto ? nil : header == .yes
    return options
  }
}

extension HeaderName: ExpressibleByArgument {}
extension TableSeparator: ExpressibleByArgument {
  public init?(argument: String) { self.init(named: argument) }
}
