// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite(
  "Two hosts that lose each other for good", .timeLimit(.minutes(3)),
  .enabled(if: canMakeHosts, "needs root, iproute2, openssh-server and network namespaces"))
struct TwoHostsTests {
  @Test("leave no process on either, each by its own limit")
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
