// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import NeuralCore
import Telemetry
import Training

/// The command `train`: trains a network and writes a run directory.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Trains a network; writes a run directory.",
    discussion: DataHelp.text)

  @Argument(help: "What to train on.")
  var data: String

  @OptionGroup(title: "Network")
  var network: NetworkOptions

  @OptionGroup(title: "Optimizer")
  var optimizer: OptimizerOptions

  @OptionGroup(title: "Run")
  var runOptions: RunOptions

  @OptionGroup(title: "Waiting for other ranks")
  var stallOptions: StallOptions

  @Flag(help: "Show nothing while training.")
  var quiet = false

  @Flag(help: "Print the summary as JSON to standard output, and nothing else there.")
  var json = false

  func run() throws {
    var options = TrainingOptions()
    options.data = data
    try network.apply(to: &options)
    optimizer.apply(to: &options)
    runOptions.apply(to: &options)
    StopSignals.watch()
    try Session.run(stallOptions.limits) { group in
      var view = TrainingView(quiet: quiet)
      let facts = try Session.requiredFacts(
        group, allowingMixedHardware: runOptions.allowMixedHardware)
      let summary = try Trainer(
        options, group: group, version: Version.current, facts: facts,
        attempt: .current, stopSignal: { StopSignals.pending }
      ).run { view.show($0) }
      if json && group.rank == 0 { Terminal.write(summary.json, to: .standardOutput) }
    }
  }
}

/// How DATA is written.
enum DataHelp {
  static let text = """
    DATA is one of
      digits                  1,797 handwritten digits of 8 x 8 pixels, built in
      FOLDER                  MNIST-style IDX files, .gz or not
      FILE.csv, FILE.csv.gz   a row a line, with a header or without
      FEATURES.npy,TARGETS.npy
      synthetic:ROWSxFEATURESxCLASSES[:SEED]
    """
}
