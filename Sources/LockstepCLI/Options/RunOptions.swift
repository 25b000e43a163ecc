// SPDX-License-Identifier: Apache-2.0
public import ArgumentParser
import Coordination
import Training

extension ExchangeOptions.Mode: ExpressibleByArgument {}
extension ExchangeOptions.Schedule: ExpressibleByArgument {}
extension ExchangeOptions.Transport: ExpressibleByArgument {}

/// The options about batches, ranks and files; nil where the command line doesn't give them.
struct RunOptions: ParsableArguments {
  private static let defaults = TrainingOptions.defaults

  @Option(
    help: ArgumentHelp(
      "Take options from a file, such as a run's config.yaml; flags win over it.",
      valueName: "file"))
  var config: String?

  @Option(
    help:
      "The target column of a table, by name or number; several with commas. (default: the last)")
  var target: String?

  @Option(help: "Rows in a batch, over all ranks. (default: \(defaults.batch))")
  var batch: Int?

  @Option(help: "How often all rows are gone through. (default: 10)")
  var epochs: Int?

  @Option(help: "How many steps are done, instead of epochs.")
  var steps: Int?

  @Flag(inversion: .prefixedNo, help: "Leave out a last batch that is shorter. (default: no)")
  var dropLast: Bool?

  @Option(
    help: """
      The share of rows that is held out, unless the data hold some out. \
      (default: \(defaults.validationSplit))
      """)
  var validationSplit: Double?

  @Option(help: "The seed of all random numbers. (default: \(defaults.seed))")
  var seed: UInt64?

  @Option(
    help: """
      Slices that a batch is cut into: the same number gives the same bits on any number of ranks. \
      (default: the ranks)
      """)
  var slices: Int?

  @Option(
    help: """
      Whether each rank updates a shard of the weights, or all of them. \
      (default: \(defaults.exchange))
      """)
  var exchange: ExchangeOptions.Mode?

  @Option(
    help: """
      How gradients travel: from each rank to each, by halves among neighbors, or the better. \
      (default: \(defaults.exchangeSchedule))
      """)
  var exchangeSchedule: ExchangeOptions.Schedule?

  @Option(
    help: """
      What ranks on one host exchange by: shared memory (auto), or messages as between hosts. \
      (default: \(defaults.transport))
      """)
  var transport: ExchangeOptions.Transport?

  @Option(
    help: "Megabytes of gradients that are sent at a time. (default: \(defaults.bucketMegabytes))")
  var bucketMb: Double?

  @Flag(
    inversion: .prefixedNo,
    help: """
      Only warn when hosts differ in build or instruction set; the bits are not promised then. \
      (default: no)
      """)
  var allowMixedHardware: Bool?

  @Option(help: ArgumentHelp("The run directory. (default: runs/TIME-NAME)", valueName: "folder"))
  var run: String?

  @Flag(inversion: .prefixedNo, help: "Replace a run directory that exists. (default: no)")
  var overwrite: Bool?

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

  @Flag(
    inversion: .prefixedNo,
    help: """
      Stand still while a checkpoint is written, which needs less memory. \
      (default: no, where memory allows)
      """)
  var waitForCheckpoints: Bool?

  @Option(
    help: "Epochs between evaluations of the held-out rows. (default: \(defaults.evaluateEvery))")
  var evaluateEvery: Int?

  @Option(help: "Steps between lines of metrics. (default: \(defaults.logEvery))")
  var logEvery: Int?

  @Option(
    help: "Steps between digests, which are compared over the ranks. (default: each logged step)")
  var digestEvery: Int?

  @Flag(
    inversion: .prefixedNo,
    help: """
      Write trace.json: when each rank did what in the first steps, for Perfetto. (default: no)
      """)
  var trace: Bool?

  @Option(help: "Steps that --trace records. (default: \(defaults.traceSteps))")
  var traceSteps: Int?

  func apply(to options: inout TrainingOptions) {
    options.targetColumns =
      target?.split(separator: ",").map(String.init) ?? options.targetColumns
    applyBatches(to: &options)
    options.exchange = exchange ?? options.exchange
    options.exchangeSchedule = exchangeSchedule ?? options.exchangeSchedule
    options.transport = transport ?? options.transport
    options.bucketMegabytes = bucketMb ?? options.bucketMegabytes
    options.allowsMixedHardware = allowMixedHardware ?? options.allowsMixedHardware
    options.run = run ?? options.run
    options.overwrite = overwrite ?? options.overwrite
    options.resume = resume.map { ResumeSource($0) } ?? options.resume
    options.keep = keep ?? options.keep
    options.checkpointEvery = checkpointEvery ?? options.checkpointEvery
    options.waitsForCheckpoints = waitForCheckpoints ?? options.waitsForCheckpoints
    options.evaluateEvery = evaluateEvery ?? options.evaluateEvery
    options.logEvery = logEvery ?? options.logEvery
    options.digestEvery = digestEvery ?? options.digestEvery
    options.trace = trace ?? options.trace
    options.traceSteps = traceSteps ?? options.traceSteps
  }

  private func applyBatches(to options: inout TrainingOptions) {
    options.batch = batch ?? options.batch
    // Either says how long the run is, so a flag takes the place of the file's other one.
    if epochs != nil || steps != nil { (options.epochs, options.steps) = (epochs, steps) }
    options.dropLast = dropLast ?? options.dropLast
    options.validationSplit = validationSplit ?? options.validationSplit
    options.seed = seed ?? options.seed
    options.slices = slices ?? options.slices
  }
}
