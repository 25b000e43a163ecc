// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Coordination
import DataParallel
import Diagnosis
import Failures
import NeuralCore
import Training

/// The flags that describe one node.
struct PlanNodeOptions: ParsableArguments {
  @Option(help: "Seconds per step of one node. (default: measured)")
  var stepSeconds: Double?

  @Option(
    help: """
      Seconds of the step spent in the optimizer's update, which is sharded over nodes; requires \
      --step-seconds. (default: 0)
      """)
  var updateSeconds: Double?

  @Option(help: "Ranks per node; requires --step-seconds. (default: number of ranks)")
  var ranks: Int?

  func validate() throws {
    if let stepSeconds { try OptionNumbers.check("--step-seconds", stepSeconds, in: 1e-9...1e6) }
    if let ranks { try OptionNumbers.check("--ranks", ranks, in: 1...1024) }
    guard stepSeconds != nil || (updateSeconds == nil && ranks == nil) else {
      throw ValidationError("--update-seconds and --ranks: require --step-seconds")
    }
    if let updateSeconds {
      try OptionNumbers.check("--update-seconds", updateSeconds, in: 0...(stepSeconds ?? 0))
    }
  }

  /// The node as given or measured; all ranks.
  func model(_ benchmark: StepBenchmark, _ group: any ProcessGroup) throws -> NodeModel {
    let batch = benchmark.options.batch
    if let stepSeconds {
      return NodeModel(seconds: stepSeconds, rows: batch, update: updateSeconds ?? 0)
    }
    guard Set(group.hosts).count == 1 else {
      throw Failure(
        .usage, "plan measures one node: start it on the ranks of one host, or pass --step-seconds"
      )
    }
    let result = try NodeBenchmark(benchmark).run(group)
    return NodeModel(
      seconds: result.seconds, rows: batch, smallerSeconds: result.smallerSeconds,
      smallerRows: result.smallerRows, update: result.update)
  }
}

/// The flags that describe the network between nodes.
struct PlanLinkOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Output of lockstep doctor --json on the hosts.", valueName: "file"))
  var links: String?

  @Option(help: "Latency of a small message in microseconds.")
  var latencyUs: Double?

  @Option(
    help: "Gap between consecutive messages in microseconds. (default: a tenth of the latency)")
  var gapUs: Double?

  @Option(help: "Bandwidth in megabits per second, each way.")
  var bandwidthMbit: Double?

  func validate() throws {
    for (name, value, range) in [
      ("--latency-us", latencyUs, 0...1e7), ("--gap-us", gapUs, 0...1e7),
      ("--bandwidth-mbit", bandwidthMbit, 0.001...1e8),
    ] {
      if let value { try OptionNumbers.check(name, value, in: range) }
    }
    guard links != nil || (latencyUs != nil && bandwidthMbit != nil) else {
      throw ValidationError(
        "the network is not known: pass --links FILE (from lockstep doctor --json), or --latency-us "
          + "and --bandwidth-mbit"
      )
    }
  }

  /// The network: as given, and as measured where it is not given.
  func link() throws -> LinkModel {
    var measured: LinkModel?
    if let links {
      measured = LinkModel(try Checkup.read(path: links).links)
      guard measured != nil || (latencyUs != nil && bandwidthMbit != nil) else {
        throw Failure(
          .badData,
          "--links \(links): no link between hosts; run doctor on several hosts, or pass "
            + "--latency-us and --bandwidth-mbit")
      }
    }
    let latency = latencyUs.map { $0 / 1e6 } ?? measured?.latency ?? 0
    return LinkModel(
      latency: latency, gap: gapUs.map { $0 / 1e6 } ?? measured?.gap ?? latency / 10,
      bandwidth: bandwidthMbit.map { $0 * 1e6 / 8 } ?? measured?.bandwidth ?? 0)
  }
}
