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
import Reports
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
      of: model.makeNetwork(), usesClasses: options.lossName == .crossEntropy)
  }
}

/// The predictions of a plan, as JSON and as text.
struct PlanReport: Encodable {
  struct Node: Encodable {
    let ranks, batch, parameters: Int
    let stepS, fixedS, perRowS, updateS: Double
  }
  struct Link: Encodable {
    let latencyUs, gapUs, bandwidthMbit: Double
  }

  let node: Node
  let link: Link
  let sharedCores: Int?
  let bucketMb: Double
  let rows: [ScalingPlan.Row]

  /// Predicts for each number of nodes that the batch can be divided by.
  init(_ plan: ScalingPlan, nodes: [Int]) {
    node = Node(
      ranks: plan.ranksPerNode, batch: plan.batch, parameters: plan.schedule.parameterCount,
      stepS: plan.node.step(rows: plan.batch), fixedS: plan.node.fixed, perRowS: plan.node.perRow,
      updateS: plan.node.update)
    link = Link(
      latencyUs: 1e6 * plan.link.latency, gapUs: 1e6 * plan.link.gap,
      bandwidthMbit: plan.link.bandwidth * 8 / 1e6)
    sharedCores = plan.sharedCores
    bucketMb = Double(plan.bucketBytes) / 1_048_576
    rows = ScalingPlan.Kind.allCases.flatMap { kind in
      nodes.compactMap { plan.row(nodes: $0, kind) }
    }
  }

  /// One object with snake-case keys.
  var json: String {
    get throws {
      return try JSONOutput.text(self)
    }
  }

  /// The measured node and network, and a table for each kind of scaling.
  var text: String {
    let known =
      "One node: \(node.ranks) rank\(node.ranks == 1 ? "" : "s"), batch \(node.batch), step "
      + "\(Self.milliseconds(node.stepS)) ms (\(Self.milliseconds(node.fixedS)) fixed, "
      + "\(Self.milliseconds(node.updateS)) update)\nNetwork: latency \(Self.short(link.latencyUs)) us, "
      + "gap \(Self.short(link.gapUs)) us, \(Self.short(link.bandwidthMbit)) Mbit/s\n"
    let tables = ScalingPlan.Kind.allCases.map { kind in
      let title =
        kind == .strong
        ? "Strong scaling: fixed batch" : "Weak scaling: \(node.batch) rows per node"
      return "\n\(title)\n" + table(rows.filter { $0.scaling == kind })
    }
    return known + tables.joined()
      + "\n90 % at: rows per node (the batch times a power of two) from which efficiency is at least 90 %.\n"
  }

  private func table(_ rows: [ScalingPlan.Row]) -> String {
    let titles = [
      "nodes", "batch", "step ms", "samples/s", "speed-up", "efficiency", "wait", "exchange",
      "messages", "MB",
      "best bucket MB", "its step ms", "90 % at",
    ]
    return TextTable(
      titles,
      rows.map { row in
        [
          "\(row.nodes)", "\(row.batch)", Self.milliseconds(row.stepS), Self.short(row.samplesPerS),
          Self.short(row.speedUp), Self.percent(row.efficiency), Self.percent(row.waitShare),
          row.schedule,
          "\(row.messages)", Self.short(Double(row.bytes) / 1e6), Self.short(row.bestBucketMb),
          Self.milliseconds(row.bestBucketStepS), row.efficientBatch.map { "\($0)" } ?? "-",
        ]
      }
    ).text
  }

  private static func milliseconds(_ seconds: Double) -> String { short(1e3 * seconds) }

  private static func percent(_ share: Double) -> String { String(format: "%.0f %%", 100 * share) }

  /// About three significant digits.
  private static func short(_ value: Double) -> String {
    let size = abs(value)
    if size >= 100 || size == 0 { return String(format: "%.0f", value) }
    return size >= 10
      ? String(format: "%.1f", value)
      : size >= 0.01 ? String(format: "%.3g", value) : String(format: "%.2g", value)
  }
}
