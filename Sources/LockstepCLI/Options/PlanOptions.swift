// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Coordination
import DataParallel
import Diagnosis
import Failures
import NeuralCore
import Training

/// What is known about one node.
struct PlanNodeOptions: ParsableArguments {
  @Option(help: "Seconds of one node's step with the whole batch. (default: measured here)")
  var stepSeconds: Double?

  @Option(
    help:
      "Seconds of it that go to the optimizer's update, which nodes share; with --step-seconds. (default: 0)"
  )
  var updateSeconds: Double?

  @Option(help: "Ranks on a node; with --step-seconds. (default: those that this is started on)")
  var ranks: Int?

  func validate() throws {
    if let stepSeconds { try OptionNumbers.check("--step-seconds", stepSeconds, in: 1e-9...1e6) }
    if let ranks { try OptionNumbers.check("--ranks", ranks, in: 1...1024) }
    guard stepSeconds != nil || (updateSeconds == nil && ranks == nil) else {
      throw ValidationError("--update-seconds and --ranks: go with --step-seconds only")
    }
    if let updateSeconds {
      try OptionNumbers.check("--update-seconds", updateSeconds, in: 0...(stepSeconds ?? 0))
    }
  }

  /// The node as given, or as measured; all ranks.
  func model(_ benchmark: StepBenchmark, _ group: any ProcessGroup) throws -> NodeModel {
    let batch = benchmark.options.batch
    if let stepSeconds {
      return NodeModel(seconds: stepSeconds, rows: batch, update: updateSeconds ?? 0)
    }
    guard Set(group.hosts).count == 1 else {
      throw Failure(
        .usage, "plan measures one node: start it on the ranks of one host, or give --step-seconds"
      )
    }
    let result = try NodeBenchmark(benchmark).run(group)
    return NodeModel(
      seconds: result.seconds, rows: batch, smallerSeconds: result.smallerSeconds,
      smallerRows: result.smallerRows, update: result.update)
  }
}

/// What is known about the network between nodes.
struct PlanLinkOptions: ParsableArguments {
  @Option(help: ArgumentHelp("What lockstep doctor --json wrote on the hosts.", valueName: "file"))
  var links: String?

  @Option(help: "Microseconds from sending a small message to having it.")
  var latencyUs: Double?

  @Option(help: "Microseconds for each more of several messages. (default: a tenth of the latency)")
  var gapUs: Double?

  @Option(help: "Megabits a second, each way.")
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
        "the network is not known: give --links FILE (from lockstep doctor --json), or --latency-us and --bandwidth-mbit"
      )
    }
  }

  /// The network as measured, where numbers are not given.
  func link() throws -> LinkModel {
    var measured: LinkModel?
    if let links {
      measured = LinkModel(try Checkup.read(path: links).links)
      guard measured != nil || (latencyUs != nil && bandwidthMbit != nil) else {
        throw Failure(
          .badData,
          "--links \(links): no link between hosts; run doctor over several hosts, or give "
            + "--latency-us and --bandwidth-mbit")
      }
    }
    let latency = latencyUs.map { $0 / 1e6 } ?? measured?.latency ?? 0
    return LinkModel(
      latency: latency, gap: gapUs.map { $0 / 1e6 } ?? measured?.gap ?? latency / 10,
      bandwidth: bandwidthMbit.map { $0 * 1e6 / 8 } ?? measured?.bandwidth ?? 0)
  }
}
