// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Coordination
import DataParallel
import Foundation
import NeuralCore
import Training

/// The command `bench`: measures steps a second on synthetic data.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures steps a second on synthetic data in memory.",
    discussion: "Prints one line of JSON. Nothing is written to disk.")

  @Option(help: "Widths of the network, from inputs to outputs.")
  var widths = "784,256,128,10"

  @Option(help: "Steps in a timed block.")
  var steps = 200

  @Option(help: "Steps before the first block.")
  var warmup = 20

  @Option(help: "Timed blocks; their median is reported.")
  var repeats = 5

  @Option(help: "Rows of data.")
  var samples = 8192

  @Option(help: "Rows in a batch, over all ranks.")
  var batch = 128

  @Option(help: "What is minimized.")
  var loss = LossName.crossEntropy

  @Option(help: "How gradients become new weights.")
  var optimizer = OptimizerName.adam

  @Option(help: "How inputs of layers are normalized.")
  var batchNorm = BatchNormName.synchronized

  @Option(help: "Slices that a batch is cut into. (default: the ranks)")
  var slices: Int?

  @Option(help: "Whether each rank updates a shard of the weights, or all of them.")
  var exchange = ExchangeOptions.Mode.sharded

  @Option(help: "How gradients travel.")
  var exchangeSchedule = ExchangeOptions.Schedule.auto

  @Option(help: "What ranks on one host exchange by.")
  var transport = ExchangeOptions.Transport.auto

  @Option(help: "Megabytes of gradients that are sent at a time.")
  var bucketMb = TrainingOptions().bucketMegabytes

  @Option(
    help: """
      How memory that ranks share is written: through the caches (cached), past them (streaming), or \
      by what is faster where the ranks run (auto).
      """)
  var sharedWrites = SharedWrites.auto

  @Option(help: "A word to find the line by.")
  var tag = ""

  @OptionGroup(title: "Waiting for other ranks")
  var stallOptions: StallOptions

  func run() throws {
    let benchmark = try makeBenchmark()
    try Session.run(stallOptions.limits, streams: sharedWrites.streams) { group, _ in
      let result = try benchmark.run(group)
      if group.rank == 0 { try show(result, ranks: group.size) }
    }
  }

  /// How memory that ranks share is written.
  enum SharedWrites: String, ExpressibleByArgument, CaseIterable {
    case auto, cached, streaming

    /// Whether it is written past the caches; nil for what is faster.
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
    benchmark.options.batch = batch
    benchmark.options.loss = loss
    benchmark.options.optimizer = optimizer
    benchmark.options.batchNorm = batchNorm
    benchmark.options.slices = slices
    benchmark.options.exchange = exchange
    benchmark.options.exchangeSchedule = exchangeSchedule
    benchmark.options.transport = transport
    benchmark.options.bucketMegabytes = bucketMb
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

  private func show(_ result: StepBenchmark.Result, ranks: Int) throws {
    let times = result.communication
    let share = [
      "wait": times.wait, "exchange": times.exchange, "update": times.update,
      "compute": result.seconds - times.wait - times.exchange - times.update,
    ].mapValues { $0 / result.seconds }
    let line = Line(
      ranks: ranks, widths: widths, batch: batch, slices: slices ?? ranks, loss: loss.rawValue,
      optimizer: optimizer.rawValue, steps: steps, warmup: warmup, repeats: repeats,
      stepsPerS: result.median, stepsPerSMin: result.stepsPerSecond.min() ?? 0,
      stepsPerSMax: result.stepsPerSecond.max() ?? 0,
      samplesPerS: result.median * Double(batch), firstLoss: result.firstLoss,
      finalLoss: result.finalLoss, peakRssMb: result.peakMegabytes.max() ?? 0,
      totalRssMb: result.peakMegabytes.reduce(0, +), share: share, tag: tag)
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys]
    Terminal.write(
      String(decoding: try encoder.encode(line), as: UTF8.self) + "\n", to: .standardOutput)
  }
}
