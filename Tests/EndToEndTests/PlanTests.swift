// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("lockstep plan")
struct PlanTests {
  struct Plan: Decodable {
    struct Node: Decodable {
      let ranks, parameters: Int
      let stepS, fixedS, perRowS, updateS: Double
    }
    struct Link: Decodable { let latencyUs, gapUs, bandwidthMbit: Double }
    struct Row: Decodable {
      let nodes, batch, messages, bytes: Int
      let scaling, schedule: String
      let stepS, samplesPerS, speedUp, efficiency, waitShare, bestBucketMb: Double
    }
    let node: Node
    let link: Link
    let rows: [Row]
  }

  static let network = ["--latency-us", "50", "--bandwidth-mbit", "1000"]
  static let given = ["--step-seconds", "0.004", "--update-seconds", "0.001"]

  func plan(_ arguments: [String]) throws -> Plan {
    let result = try run(productURL(named: "lockstep").path, ["plan", "--json"] + arguments)
    #expect(result.status == 0, "\(result.standardError)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Plan.self, from: Data(result.standardOutput.utf8))
  }

  /// Messages and bytes that each rank sent in a run of `bench`, counted by Open MPI's monitoring.
  func sent(ranks: Int, steps: Int, in folder: String) throws -> [(messages: Int, bytes: Int)] {
    let name = "\(folder)/sent-\(steps)"
    let options = [
      "pml_monitoring_enable", "1", "pml_monitoring_enable_output", "3", "pml_monitoring_filename",
      name,
    ]
    let result = try mpirun(
      ranks: ranks, productURL(named: "lockstep").path,
      [
        "bench", "--widths", "13,99,14", "--batch", "24", "--samples", "240", "--transport",
        "messages",
        "--warmup", "0", "--repeats", "1", "--steps", "\(steps)",
      ],
      options: stride(from: 0, to: options.count, by: 2).flatMap {
        ["--mca", options[$0], options[$0 + 1]]
      })
    #expect(result.status == 0, "\(result.standardError)")
    return try (0..<ranks).map { rank in
      let text = try String(contentsOfFile: "\(name).\(rank).prof", encoding: .utf8)
      var sum = (messages: 0, bytes: 0)
      // "E  0  1  33218 bytes  47 msgs sent  …": point to point, by receiver.
      for line in text.split(separator: "\n") where line.hasPrefix("E\t") {
        let fields = line.split { $0 == "\t" || $0 == " " }
        sum.bytes += try #require(Int(fields[3]))
        sum.messages += try #require(Int(fields[5]))
      }
      return sum
    }
  }

  @Test("Plan predicts the messages and bytes that MPI counts in a real exchange", arguments: 2...4)
  func counts(ranks: Int) throws {
    let runs = try TrainingRuns()
    // Logging and digests send the same in both runs.
    let (few, many) = (
      try sent(ranks: ranks, steps: 3, in: runs.folder),
      try sent(ranks: ranks, steps: 7, in: runs.folder)
    )
    let plan = try plan(
      ["--widths", "13,99,14", "--batch", "24", "--nodes", "\(ranks)"] + PlanTests.given
        + PlanTests.network)
    let row = try #require(plan.rows.first { $0.scaling == "strong" })
    // 12 blocks of parameters, so that all ranks own the same number.
    #expect(plan.node.parameters == 3072)
    for (before, after) in zip(few, many) {
      #expect(after.messages - before.messages == 4 * row.messages)
      #expect(after.bytes - before.bytes == 4 * row.bytes)
    }
  }

  @Test(
    "Plan has a consistent row for each number of nodes up to 4096, with weak and strong scaling")
  func rows() throws {
    let plan = try plan(PlanTests.given + PlanTests.network)
    #expect(plan.rows.count == 28)
    #expect(plan.link.gapUs == 5 && plan.link.latencyUs == 50)
    for row in plan.rows {
      #expect(row.efficiency > 0 && row.efficiency <= 1 + 1e-9)
      #expect(abs(row.efficiency * Double(row.nodes) - row.speedUp) < 1e-9 * row.speedUp)
      #expect(abs(row.samplesPerS * row.stepS - Double(row.batch)) < 1e-6 * Double(row.batch))
      #expect(row.batch == (row.scaling == "weak" ? 128 * row.nodes : 128))
      #expect(row.schedule == (row.nodes == 1 ? "none" : row.nodes > 8 ? "halving" : "direct"))
    }
    let single = plan.rows.filter { $0.nodes == 1 }
    #expect(single.allSatisfy { abs($0.stepS - 0.004) < 1e-12 && $0.waitShare < 1e-9 })
  }

  @Test("Plan measures the step on the ranks that it is started on", arguments: 1...2)
  func measured(ranks: Int) throws {
    let result = try mpirun(
      ranks: ranks, productURL(named: "lockstep").path,
      ["plan", "--json", "--widths", "64,64,10", "--batch", "32", "--nodes", "1,2"]
        + PlanTests.network)
    #expect(result.status == 0, "\(result.standardError)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let plan = try decoder.decode(Plan.self, from: Data(result.standardOutput.utf8))
    #expect(plan.node.ranks == ranks && plan.node.stepS > 0 && plan.node.updateS > 0)
    let sum = plan.node.fixedS + 32 * plan.node.perRowS + plan.node.updateS
    #expect(abs(sum - plan.node.stepS) < 1e-9)
    let first = try #require(plan.rows.first)
    #expect(abs(first.stepS - sum) < 1e-9)
  }

  @Test("Plan reads the network from the output of doctor")
  func links() throws {
    let runs = try TrainingRuns()
    let path = "\(runs.folder)/links.json"
    func link(_ us: Double, _ mb: Double, _ to: String) -> String {
      """
      {"from":0,"to":1,"from_host":"a","to_host":"\(to)","latency_us":\(us),"gap_us":2,"megabytes_per_s":\(mb)}
      """
    }
    let links = [link(40, 125, "b"), link(60, 100, "b"), link(50, 110, "b"), link(1, 9000, "a")]
    try "{\"hosts\":[],\"findings\":[],\"links\":[\(links.joined(separator: ","))]}".write(
      toFile: path, atomically: true, encoding: .utf8)
    let known = try plan(["--links", path, "--nodes", "2"] + PlanTests.given).link
    #expect(abs(known.latencyUs - 50) < 1e-9 && abs(known.bandwidthMbit - 880) < 1e-9)
    #expect(abs(known.gapUs - 2) < 1e-9)
    let faster = try plan(
      ["--links", path, "--bandwidth-mbit", "10000", "--nodes", "2"] + PlanTests.given)
    #expect(abs(faster.link.bandwidthMbit - 10000) < 1e-6 && abs(faster.link.latencyUs - 50) < 1e-9)
  }

  /// Arguments that are refused, and the message.
  struct Refusal: Sendable {
    let arguments: [String]
    let status: Int32
    let words: String

    init(_ arguments: [String], _ status: Int32, _ words: String, network: Bool = true) {
      self.arguments = arguments + (network ? PlanTests.network : [])
      self.status = status
      self.words = words
    }
  }

  static let refusals: [Refusal] = [
    Refusal([], 64, "the network is not known", network: false),
    Refusal(
      ["--links", "/nowhere.json"], 66, "--links /nowhere.json: can't be read", network: false),
    Refusal(
      ["--links", "/etc/passwd"], 65, "--links /etc/passwd: is not what lockstep doctor --json",
      network: false),
    Refusal(
      ["--latency-us", "5", "--bandwidth-mbit", "0"], 64, "--bandwidth-mbit 0.0: must be",
      network: false),
    Refusal(
      ["--widths", "1048576,1048576"], 64,
      "--widths 1048576,1048576: needs 16777216 MB of memory"),
    Refusal(["--nodes", "0"], 64, "--nodes 0: must be integers from 1 to 4096"),
    Refusal(["--widths", "7"], 64, "--widths 7: must be widths"),
    Refusal(["--batch", "0"], 64, "--batch 0: must be from 1"),
    Refusal(["--ranks", "2"], 64, "--update-seconds and --ranks: require --step-seconds"),
    Refusal(
      ["--step-seconds", "1", "--update-seconds", "2"], 64, "--update-seconds 2.0: must be"),
  ]

  @Test("Plan refuses invalid arguments in one line that says why", arguments: refusals)
  func refusal(_ refusal: Refusal) throws {
    let result = try run(productURL(named: "lockstep").path, ["plan"] + refusal.arguments)
    #expect(result.status == refusal.status)
    #expect(result.standardError.contains(refusal.words), "\(result.standardError)")
    #expect(result.standardError.split(separator: "\n").count == 1, "\(result.standardError)")
    #expect(result.standardOutput.isEmpty)
  }
}
