// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Coordination
import DataParallel
import Datasets
import Diagnosis
import Failures
import Foundation
import Machine
import NeuralCore
import Training

/// The command `plan`: predicts how training scales over nodes.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Predict step time and efficiency on more nodes, from one node and the network.",
    discussion: """
      One node's step is measured on the ranks that the command is started on, or given by \
      --step-seconds. The network is read from the output of lockstep doctor --json, or given by \
      --latency-us and --bandwidth-mbit. docs/plan.md has the formulas.
      """)

  @Option(help: "Layer widths of the network, from inputs to outputs, separated by commas.")
  var widths = "784,256,128,10"

  @Option(
    help: """
      Rows per batch on one node; on several, over all nodes (strong scaling) or on each (weak \
      scaling).
      """)
  var batch = 128

  @OptionGroup(title: "One node")
  var node: PlanNodeOptions

  @OptionGroup(title: "Network")
  var network: PlanLinkOptions

  @Option(help: "Numbers of nodes to predict for, separated by commas.")
  var nodes = "1,2,3,4,8,16,32,64,128,256,512,1024,2048,4096"

  @Option(help: "Slices per global batch. (default: number of ranks)")
  var slices: Int?

  @Option(
    help:
      """
      Communication pattern: every rank with every other, recursive halving, or whichever is \
      expected to be faster.
      """)
  var exchangeSchedule = ExchangeOptions.Schedule.auto

  @Option(help: "Size of a gradient bucket in megabytes.")
  var bucketMb = TrainingOptions().bucketMegabytes

  @Option(help: "Cores that all nodes share, if they run on one machine.")
  var sharedCores: Int?

  @Flag(help: "Print the prediction as JSON.")
  var json = false

  @OptionGroup(title: StallOptions.title)
  var stallOptions: StallOptions

  func validate() throws {
    try OptionNumbers.check("--batch", batch, in: 1...1 << 30)
    try OptionNumbers.check("--bucket-mb", bucketMb, in: 0.001...1024)
    if let slices { try OptionNumbers.check("--slices", slices, in: 1...ScalingPlan.maximumRanks) }
    if let sharedCores { try OptionNumbers.check("--shared-cores", sharedCores, in: 1...65536) }
    _ = try OptionNumbers.list("--nodes", nodes, in: 1...4096)
    let widths = try OptionNumbers.list("--widths", widths, in: 1...1 << 20)
    guard widths.count >= 2 else {
      throw ValidationError("--widths \(self.widths): must be widths such as 784,256,128,10")
    }
  }

  func run() throws {
    try Session.run(stallOptions.limits) { group in
      // Rank 0 reads for all, and alone predicts.
      let link = try group.agree { () -> LinkModel? in
        try checkMemory()
        return group.rank == 0 ? try network.link() : nil
      }
      let measured = try node.model(benchmark(), group)
      guard let link else { return }
      let plan = ScalingPlan(
        schedule: try schedule(), node: measured, ranksPerNode: node.ranks ?? group.size,
        link: link, batch: batch, slices: slices, bucketBytes: Int(bucketMb * 1_048_576),
        exchange: exchangeSchedule, sharedCores: sharedCores)
      let report = PlanReport(plan, nodes: try OptionNumbers.list("--nodes", nodes, in: 1...4096))
      Terminal.write(json ? try report.json : report.text, to: .standardOutput)
    }
  }

  private func benchmark() throws -> StepBenchmark {
    var benchmark = StepBenchmark()
    benchmark.widths = try OptionNumbers.list("--widths", widths, in: 1...1 << 20)
    benchmark.options.batch = batch
    benchmark.options.slices = slices
    benchmark.options.bucketMegabytes = bucketMb
    return benchmark
  }

  /// Weights, gradients and two moments of each must fit.
  private func checkMemory() throws {
    let widths = try OptionNumbers.list("--widths", widths, in: 1...1 << 20)
    let weights = zip(widths, widths.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 }
    let (needed, free) = (16 * weights, Memory.availableBytes)
    guard needed > free else { return }
    throw Failure(
      .usage,
      "--widths \(self.widths): needs \(needed >> 20) MB of memory, and \(free >> 20) MB are "
        + "free; plan where there is more, or a smaller network")
  }

  /// What a step of the network asks for.
  private func schedule() throws -> StepSchedule {
    let widths = try OptionNumbers.list("--widths", widths, in: 1...1 << 20)
    var options = TrainingOptions()
    options.layers = Array(widths.dropFirst().dropLast())
    let model = ModelDescription(
      options, inputs: widths[0], outputs: widths[widths.count - 1], labels: [])
    return try StepSchedule(
      of: model.makeNetwork(), usesClasses: options.loss == .crossEntropy)
  }
}
