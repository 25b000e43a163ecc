// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite(
  "Two hosts that lose each other for good",
  .enabled(if: canMakeHosts, "needs root, iproute2, openssh-server and network namespaces"))
struct TwoHostsTests {
  /// The end of a job whose hosts were parted: what the script `cut` tells by name, and what the job said.
  private func cut(
    _ options: [String], environment: [String: String] = [:]
  ) throws -> (invariants: [String: Int], words: String) {
    let result = try run(
      packageRoot.appendingPathComponent("Tests/ClusterTests/Scripts/cut").path,
      options + [
        "train", "digits", "--epochs", "100000", "--stall-seconds", "1", "--stall-abort-seconds",
        "3",
      ],
      environment: environment.merging(["LOCKSTEP_BINARY": productURL(named: "lockstep").path]) {
        $1
      }, timeout: 200)
    var invariants: [String: Int] = [:]
    for line in result.standardOutput.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      invariants[String(parts[0])] = parts.last.flatMap { Int($0.dropFirst()) }
    }
    return (invariants, result.standardError)
  }

  @Test("leave no process on either, each by its own limit")
  func whileTraining() throws {
    let (invariants, words) = try cut([])
    #expect(invariants["status"] == 75, "\(words)")
    #expect(invariants["all ended"] != nil, "\(invariants) \(words)")
    #expect(invariants["left"] == 0)
    #expect(words.contains("lockstep: rank 1 (node2) has not reached"), "\(words)")
  }

  @Test("leave none either where that happens while they start")
  func atStart() throws {
    // A host is missed sooner than by default: the user's options win.
    let (invariants, words) = try cut(
      ["--at-start"],
      environment: [
        "OMPI_MCA_plm_rsh_args": "-o ServerAliveInterval=2 -o ServerAliveCountMax=2"
      ])
    #expect(invariants["status"] == 75, "\(words)")
    #expect(invariants["all ended"] != nil, "\(invariants) \(words)")
    #expect(invariants["left"] == 0)
    #expect(
      words.contains("launch/run: lost host node2\n")
        || words.contains("launch/run: mpirun could not start on every host, or lost one\n"),
      "\(words)")
  }
}
