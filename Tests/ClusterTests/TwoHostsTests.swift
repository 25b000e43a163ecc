// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// Whether this machine lets a test make hosts of its own.
let canMakeHosts =
  geteuid() == 0
  && ["/usr/sbin/sshd", "/usr/bin/ssh-keygen"].allSatisfy(FileManager.default.fileExists)
  && ["/sbin/ip", "/usr/sbin/ip", "/bin/ip", "/usr/bin/ip"]
    .contains(where: FileManager.default.fileExists)
  && (try? run("ip", ["netns", "add", "lkprobe"]))?.status == 0
  && (try? run("ip", ["netns", "del", "lkprobe"]))?.status == 0

@Suite(
  "Two hosts", .timeLimit(.minutes(10)),
  .enabled(if: canMakeHosts, "needs root, iproute2, openssh-server and network namespaces"))
struct TwoHostsTests {
  @Test("with TCP between them give the bits of one rank, in either order")
  func sameBits() throws {
    let runs = try Runs()
    let options = ["digits", "--slices", "4", "--epochs", "3", "--batch", "61", "--trace"]
    try runs.train("one", ranks: 1, options)
    let hosts = ["10.77.0.1:1,10.77.0.2:1", "10.77.0.2:2,10.77.0.1:1"]
    let launcher = packageRoot.appendingPathComponent("launch/run").path
    let script = packageRoot.appendingPathComponent("Tests/ClusterTests/Scripts/two-hosts").path
    for (number, list) in hosts.enumerated() {
      let result = try run(
        script,
        [launcher, "--hosts", list, "--network", "10.77.0.0/24", "--", "train"] + options + [
          "--run", "\(runs.folder)/two\(number)", "--quiet",
        ],
        environment: ["LOCKSTEP_BINARY": productURL(named: "lockstep").path])
      #expect(result.status == 0, "\(result.standardError)")
      for name in ["metrics.jsonl", "checkpoints/step-000000072.safetensors"] {
        #expect(try runs.file("two\(number)", name) == runs.file("one", name))
      }
      let timing = String(decoding: try runs.file("two\(number)", "timing.jsonl"), as: UTF8.self)
      #expect(timing.contains("node1") && timing.contains("node2"))
      let trace = try RecordedTrace(runs.file("two\(number)", "trace.json"))
      #expect(Set(trace.hosts) == ["node1", "node2"])
      // A step ends nowhere before it has begun everywhere; clocks are aligned to milliseconds here.
      let steps = (0..<2).map { trace.spans(rank: $0).filter { $0.name == "step" } }
      #expect(steps[0].count == 72 && steps[1].count == 72)
      #expect(
        zip(steps[0], steps[1]).allSatisfy { $0.start < $1.end + 2e4 && $1.start < $0.end + 2e4 })
    }
  }

  @Test("that lose each other for good leave no process on either, each by its own limit")
  func cut() throws {
    let script = packageRoot.appendingPathComponent("Tests/ClusterTests/Scripts/cut").path
    let result = try run(
      script,
      [
        "train", "digits", "--epochs", "100000", "--stall-seconds", "1", "--stall-abort-seconds",
        "3",
      ],
      environment: ["LOCKSTEP_BINARY": productURL(named: "lockstep").path], timeout: 100)
    let facts = Dictionary(
      result.standardOutput.split(separator: "\n").map { line in
        let parts = line.split(separator: ":", maxSplits: 1)
        return (String(parts[0]), parts.last.flatMap { Int($0.dropFirst()) })
      }, uniquingKeysWith: { first, _ in first })
    #expect(facts["status"] == 75, "\(result)")
    // What is promised is 10 seconds after the limit.
    #expect(try #require(facts["all ended"] ?? nil) < 13000, "\(result)")
    #expect(facts["left"] == 0, "\(result)")
    #expect(
      result.standardError.contains("lockstep: rank 1 (node2) has not come in"),
      "\(result.standardError)")
  }
}
