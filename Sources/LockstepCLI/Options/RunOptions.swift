// SPDX-License-Identifier: Apache-2.0
public import ArgumentParser
public import NeuralCore
import Training

extension ExchangeOptions.Mode: ExpressibleByArgument {}
extension ExchangeOptions.Schedule: ExpressibleByArgument {}

/// The options about batches, ranks and files.
struct RunOptions: ParsableArguments {
  @Option(
    help:
      "The target column of a table, by name or number; several with commas. (default: the last)")
  var target: String?

  @Option(help: "Rows in a batch, over all ranks.")
  var batch = 128

  @Option(help: "How often all rows are gone through. (default: 10)")
  var epochs: Int?

  @Option(help: "How many steps are done, instead of epochs.")
  var steps: Int?

  @Flag(help: "Leave out a last batch that is shorter.")
  var dropLast = false

  @Option(help: "The share of rows that is held out, unless the data hold some out.")
  var validationSplit = 0.2

  @Option(help: "The seed of all random numbers.")
  var seed: UInt64 = 0

  @Option(
    help:
      "Slices that a batch is cut into: the same number gives the same bits on any number of ranks. (default: the ranks)"
  )
  var slices: Int?

  @Option(help: "Whether each rank updates a shard of the weights, or all of them.")
  var exchange = ExchangeOptions.Mode.sharded

  @Option(
    help: "How gradients travel: from each rank to each, by halves among neighbours, or the better."
  )
  var exchangeSchedule = ExchangeOptions.Schedule.auto

  @Option(help: "Megabytes of gradients that are sent at a time.")
  var bucketMb = 4.0

  @Flag(
    help: "Only warn when hosts differ in build or instruction set; the bits are not promised then."
  )
  var allowMixedHardware = false

  @Option(help: ArgumentHelp("The run directory. (default: runs/TIME-NAME)", valueName: "folder"))
  var run: String?

  @Flag(help: "Replace a run directory that exists.")
  var overwrite = false

  @Option(
    help: ArgumentHelp(
      "Go on with the run's newest intact checkpoint, or with the one in a file.",
      valueName: "file"))
  var resume: String?

  @Option(help: "Steps between checkpoints. (default: the first and the last step only)")
  var checkpointEvery: Int?

  @Option(
    help:
      "Newest checkpoints to keep; the one with the least held-out loss stays too. (default: all)")
  var keep: Int?

  @Option(help: "Epochs between evaluations of the held-out rows.")
  var evaluateEvery = 1

  @Option(help: "Steps between lines of metrics.")
  var logEvery = 10

  @Option(
    help: "Steps between digests, which are compared over the ranks. (default: each logged step)")
  var digestEvery: Int?

  @Flag(
    help: "Write trace.json: when each rank did what in the first steps, for Perfetto.")
  var trace = false

  @Option(help: "Steps that --trace records.")
  var traceSteps = 100

  func apply(to options: inout TrainingOptions) {
    options.targetColumns = target?.split(separator: ",").map(String.init) ?? []
    options.batch = batch
    options.epochs = epochs
    options.steps = steps
    options.dropLast = dropLast
    options.validationSplit = validationSplit
    options.seed = seed
    options.slices = slices
    options.exchange = exchange
    options.exchangeSchedule = exchangeSchedule
    options.bucketMegabytes = bucketMb
    options.run = run
    options.overwrite = overwrite
    options.resume = resume
    options.keep = keep
    options.checkpointEvery = checkpointEvery
    options.evaluateEvery = evaluateEvery
    options.logEvery = logEvery
    options.digestEvery = digestEvery
    options.trace = trace
    options.traceSteps = traceSteps
  }
}
