// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Coordination
import DataParallel
import Foundation
import NeuralCore
import Training

/// The command `bench`: measures steps per second on synthetic data.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure steps per second on synthetic data in memory.",
    discussion: "Prints one line of JSON and writes no files.")

  @Option(help: "Layer widths of the network, from inputs to outputs, separated by commas.")
  var widths = "784,256,128,10"

  @Option(help: "Steps per timed block.")
  var steps = 200

  @Option(help: "Warmup steps before the first block.")
  var warmup = 20

  @Option(help: "Number of timed blocks, of which the median is reported.")
  var repeats = 5

  @Option(help: "Rows of synthetic data.")
  var samples = 8192

  @OptionGroup
  var trainingFlags: OptionFlags<BenchSelection>

  @Option(
    help: """
      How shared memory is written: with cached stores, with streaming (non-temporal) stores, or \
      with whichever is faster on this machine (auto).
      """)
  var sharedWrites = SharedWrites.auto

  @Option(help: "A label to include in the output.")
  var tag = ""

  @OptionGroup(title: StallOptions.title)
  var stallOptions: StallOptions

  func run() throws {
    let benchmark = try makeBenchmark()
    try Session.run(stallOptions.limits, streams: sharedWrites.streams) { group, _ in
      let result = try benchmark.run(group)
      if group.rank == 0 { try show(result, benchmark.options, ranks: group.size) }
    }
  }

  /// How shared memory is written.
  enum SharedWrites: String, ExpressibleByArgument, CaseIterable {
    case auto, cached, streaming

    /// Whether it is written with streaming stores; nil for whichever is faster.
    var streams: Bool? { self == .auto ? nil : self == .streaming }
  }

  private func makeBenchmark() throws -> StepBenchmark {
    var benchmark = StepBenchmark()
    benchmark.widths = try widths.split(separator: ",").map { width in
      guard let number = Int(width) else {
        throw ValidationError("--widths \(widths): must be widths such as 784,256,128,10")
      }
      return number
    }
    benchmark.steps = steps
    benchmark.warmup = warmup
    benchmark.repeats = repeats
    benchmark.samples = samples
    try benchmark.options.set(arguments: trainingFlags.arguments)
    return benchmark
  }

  private struct Line: Encodable {
    let peer = "lockstep"
    let version = Version.current
    let ranks: Int
    let threads = 1
    let widths: String
    let batch: Int
    let slices: Int
    let loss: String
    let optimizer: String
    let steps: Int
    let warmup: Int
    let repeats: Int
    let stepsPerS: Double
    let stepsPerSMin: Double
    let stepsPerSMax: Double
    let samplesPerS: Double
    let firstLoss: Double
    let finalLoss: Double
    let peakRssMb: Double
    let totalRssMb: Double
    let share: [String: Double]
    let tag: String
  }

  private func show(
    _ result: StepBenchmark.Result, _ options: TrainingOptions, ranks: Int
  ) throws {
    let times = result.communication
    let share = [
      "wait": times.wait, "exchange": times.exchange, "update": times.update,
      "compute": result.seconds - times.wait - times.exchange - times.update,
    ].mapValues { $0 / result.seconds }
    let line = Line(
      ranks: ranks, widths: widths, batch: options.batch, slices: options.slices ?? ranks,
      loss: options.lossName.rawValue, optimizer: options.optimizer.rawValue, steps: steps,
      warmup: warmup, repeats: repeats,
      stepsPerS: result.median, stepsPerSMin: result.stepsPerSecond.min() ?? 0,
      stepsPerSMax: result.stepsPerSecond.max() ?? 0,
      samplesPerS: result.median * Double(options.batch), firstLoss: result.firstLoss,
      finalLoss: result.finalLoss, peakRssMb: result.peakMegabytes.max() ?? 0,
      totalRssMb: result.peakMegabytes.reduce(0, +), share: share, tag: tag)
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys]
    Terminal.write(
      String(decoding: try encoder.encode(line), as: UTF8.self) + "\n", to: .standardOutput)
  }
}
