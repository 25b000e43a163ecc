// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Coordination
import Foundation
import NeuralCore
import RunRecords
import Training

/// The command `train`: trains a network and writes a run directory.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Trains a network; writes a run directory.",
    discussion: DataHelp.text)

  @Argument(help: "What to train on; may be left to --config.")
  var data: String?

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

  func validate() throws {
    guard data != nil || runOptions.config != nil else {
      throw ValidationError("Missing expected argument '<data>'")
    }
  }

  func run() throws {
    StopSignals.watch()
    try Session.run(stallOptions.limits) { group in
      let options = try options(group)
      var view = TrainingView(quiet: quiet)
      let invariants = try Session.requiredInvariants(
        group, allowingMixedHardware: options.allowsMixedHardware)
      let summary = try TrainingLoop(
        options, group: group, version: Version.current, invariants: invariants,
        attempt: .current, stopSignal: { StopSignals.pending }, observe: { view.show($0) }
      ).run()
      if json && group.rank == 0 { Terminal.write(summary.json, to: .standardOutput) }
    }
  }

  /// The defaults, then what the configuration file says, then what flags say; all ranks.
  private func options(_ group: any ProcessGroup) throws -> TrainingOptions {
    var options = TrainingOptions()
    if let path = runOptions.config {
      // Rank 0 reads for all: other hosts need no copy.
      let own = try group.agree {
        group.rank == 0 ? try ConfigurationFile.bytes(path: path) : []
      }
      let bytes = try group.broadcast(bytes: own)
      try group.agree { try options.read(configuration: bytes, path: path) }
    }
    options.data = data ?? options.data
    try network.apply(to: &options)
    optimizer.apply(to: &options)
    runOptions.apply(to: &options)
    return options
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
