// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Checkpoints
import Coordination
import Foundation
import NeuralCore
import Reports
import RunRecords
import Training

/// The command `train`: trains a network and writes a run directory.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a network and write a run directory.",
    discussion: DataHelp.text)

  @Argument(help: "Training data; may be given by --config instead.")
  var data: String?

  @Option(
    help: ArgumentHelp(
      "Read options from a YAML file, such as a run's config.yaml; flags take precedence.",
      valueName: "file"))
  var config: String?

  @OptionGroup(title: OptionSection.data.title)
  var dataFlags: OptionFlags<DataSelection>

  @OptionGroup(title: OptionSection.network.title)
  var networkFlags: OptionFlags<NetworkSelection>

  @OptionGroup(title: OptionSection.optimizer.title)
  var optimizerFlags: OptionFlags<OptimizerSelection>

  @OptionGroup(title: OptionSection.communication.title)
  var communicationFlags: OptionFlags<CommunicationSelection>

  @OptionGroup(title: OptionSection.runDirectory.title)
  var runDirectoryFlags: OptionFlags<RunDirectorySelection>

  @OptionGroup(title: OptionSection.logging.title)
  var loggingFlags: OptionFlags<LoggingSelection>

  @OptionGroup(title: StallOptions.title)
  var stallOptions: StallOptions

  @Flag(help: "Print no progress.")
  var quiet = false

  @Flag(help: "Print the summary as JSON to standard output.")
  var json = false

  func validate() throws {
    guard data != nil || config != nil else {
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

  /// The defaults, overridden by the configuration file, overridden by flags; all ranks.
  private func options(_ group: any ProcessGroup) throws -> TrainingOptions {
    var options = TrainingOptions()
    if let path = config {
      // Rank 0 reads the file for all ranks: other hosts need no copy.
      let own = try group.agree {
        group.rank == 0 ? try ConfigurationFile.bytes(path: path) : []
      }
      let bytes = try group.broadcast(bytes: own)
      try group.agree { try options.read(configuration: bytes, path: path) }
    }
    options.data = data ?? options.data
    try options.set(
      arguments: dataFlags.arguments + networkFlags.arguments + optimizerFlags.arguments
        + communicationFlags.arguments + runDirectoryFlags.arguments + loggingFlags.arguments)
    return options
  }
}

/// The forms of the DATA argument.
enum DataHelp {
  static let text = """
    DATA is one of
      digits                    built-in: 1,797 handwritten digits of 8 x 8 pixels
      FILE                      a table: text with a row per line, such as CSV, optionally gzipped
      FOLDER                    MNIST-style IDX files, optionally gzipped
      FEATURES.npy,TARGETS.npy  two NumPy arrays
      FILE.npz                  NumPy arrays x and y, or x_train, y_train, x_test and y_test
      synthetic:ROWSxFEATURESxCLASSES[:SEED]
                                Gaussian features, labeled by a random linear model
    """
}

/// Shows a training run on a terminal: its options, its progress, and its summary.
struct TrainingView {
  private let quiet: Bool
  private var display: ProgressDisplay

  init(quiet: Bool) {
    self.quiet = quiet
    display = ProgressDisplay(
      style: Terminal.width.map { .terminal(width: $0) } ?? .plain(interval: 10),
      now: { ProcessInfo.processInfo.systemUptime },
      output: { Terminal.write($0, to: .standardError) })
  }

  mutating func show(_ event: TrainingEvent) {
    if case .warned(let message) = event {
      display.finish()
      Terminal.write("lockstep: warning: \(message)\n", to: .standardError)
    }
    if case .resumed(_, _, let skipped) = event {
      let lines = skipped.map { "lockstep: skipped a damaged checkpoint: \($0)\n" }
      Terminal.write(lines.joined(), to: .standardError)
    }
    guard !quiet else { return }
    switch event {
    case .warned:
      break
    case .started(let options, let run):
      let table = TextTable(options + [(name: "run", value: run)]).text
      Terminal.write(table + "\n", to: .standardError)
    case .resumed(let step, let checkpoint, _):
      Terminal.write("resuming after step \(step), from \(checkpoint)\n", to: .standardError)
    case .progress(let progress):
      display.show(progress)
    case .noticed(let notice):
      Terminal.note(notice)
    case .evaluated(let progress, let loss, let accuracy, let scores, let metrics):
      let percent =
        accuracy.map { String(format: ", accuracy %.2f %%", 100 * $0) }
        ?? scores.map { scores in
          ", RMSE \(Readable.significant(scores.rootMeanSquaredError))"
            + (scores.r2.map { ", R2 \(Readable.significant($0))" } ?? "")
        } ?? ""
      let known: Set<MetricName> =
        accuracy == nil ? scores == nil ? [.loss] : [.loss, .rmse, .r2] : [.loss, .accuracy]
      display.write(
        "epoch \(progress.epoch), step \(progress.step): held-out loss "
          + String(format: "%.4f", loss) + percent
          + metrics.filter { !known.contains($0.metric) }.map { ", \($0.shown)" }.joined())
    case .stoppedEarly(let stop):
      display.write(Self.sentence(stop))
    case .finished(let summary, let run, let checkpoint):
      display.finish()
      let best = run + "/checkpoints/best"
      let hasBest = summary.bestStep != nil && FileManager.default.fileExists(atPath: best)
      let files =
        [(name: "run", path: run), (name: "weights", path: checkpoint)]
        + (hasBest ? [(name: "best weights", path: best)] : [])
      Terminal.write("\n" + TextTable.summary(summary, files: files), to: .standardError)
    }
  }

  private static func sentence(_ stop: EarlyStop) -> String {
    let name = stop.metric.title
    let start = "stopped early after epoch \(stop.epoch): "
    guard let best = stop.best else { return start + "\(name) was never finite" }
    let margin =
      stop.minimumDelta == 0 ? "" : " by more than \(Readable.significant(stop.minimumDelta))"
    return start + "\(name) has not improved\(margin) since epoch \(stop.bestEpoch) "
      + "(\(stop.metric.text(of: best.value)))"
      + (stop.hasBestCheckpoint ? "; checkpoints/best is step \(best.step)" : "")
  }
}
