// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite(
  "The scaling experiment over hosts",
  .enabled(
    if: canMakeHosts && hasPython, "needs root, iproute2, openssh-server, namespaces and python3"))
struct HostScalingTests {
  let folder: Runs

  init() throws { folder = try Runs() }

  /// Runs a shell script on the first of some hosts, with `scale` and `output` set.
  func onHosts(_ count: Int, _ script: String) throws -> CommandResult {
    try run(
      packageRoot.appendingPathComponent("launch/local-cluster").path,
      ["\(count)", "--rate", "1gbit", "--", "bash", "-c", script],
      environment: [
        "LOCKSTEP_BINARY": productURL(named: "lockstep").path, "scale": ScaleTests.script,
        "output": folder.folder + "/scaling",
      ], timeout: 200)
  }

  private struct Interval: Decodable {
    struct Traffic: Decodable { let exchange, statistics: Int }
    let traffic: Traffic?
  }

  @Test("takes the hosts of the cluster, tells that they are one machine, and has their numbers")
  func report() throws {
    let result = try onHosts(
      3, "\"$scale\" --repeats 1 --output \"$output\" -- digits --steps 30 --layers 32")
    #expect(result.status == 0, "\(result.standardError)")
    #expect(result.standardOutput.contains("bit-for-bit identical in 3 runs"))
    let cores = ProcessInfo.processInfo.processorCount
    #expect(
      result.standardOutput.contains("(node1, node2, node3) are one machine with") == (cores < 3))
    let page = "\(folder.folder)/scaling/report.html"
    let runs = (1...3).map { "\(folder.folder)/scaling/hosts-\($0)-repeat-1" }
    let check = try run("python3", [ScaleTests.checker, page] + runs)
    #expect(check.status == 0, "\(check.standardError)")
  }

  @Test("counts the bytes that a host's network interface has sent")
  func traffic() throws {
    let bytes = "cat /sys/class/net/eth0/statistics/tx_bytes"
    let data = "synthetic:512x256x10 --layers 512,512 --steps 40"
    let result = try onHosts(
      2,
      "\(bytes); \"$scale\" --sizes 2 --repeats 1 --output \"$output\" -- \(data) >/dev/null; \(bytes)"
    )
    let counters = result.standardOutput.split(separator: "\n").compactMap { Int($0) }
    try #require(result.status == 0 && counters.count == 2, "\(result.standardError)")
    let carried = counters[1] - counters[0]
    let log = try folder.file("scaling/hosts-2-repeat-1", "timing.jsonl")
    let sent = try log.split(separator: UInt8(ascii: "\n")).reduce(0) { sum, line in
      let traffic = try JSONDecoder().decode(Interval.self, from: Data(line)).traffic
      return sum + (traffic.map { $0.exchange + $0.statistics } ?? 0)
    }
    // 400,000 parameters: their gradients one way and they the other, in 40 steps.
    #expect(sent > 60_000_000)
    // Headers, the launcher's own messages, and start and end of the run come on top.
    #expect(carried > sent && carried < sent + sent / 50 + 1_000_000, "\(carried) for \(sent)")
  }
}
