// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite(
  "A network between hosts that fails for good",
  .enabled(if: canMakeHosts, "needs root, iproute2, openssh-server and network namespaces"))
struct NetworkFailureTests {
  /// How a job ends whose last host loses its link: the values that the script `cut` prints, and
  /// what the job printed.
  private func cut(
    _ options: [String], environment: [String: String] = [:]
  ) throws -> (invariants: [String: Int], words: String) {
    let result = try runScript(
      "Tests/LauncherTests/Scripts/cut",
      options + [
        "train", "digits", "--epochs", "100000", "--stall-seconds", "1", "--stall-abort-seconds",
        "3",
      ],
      environment: environment)
    var invariants: [String: Int] = [:]
    for line in result.standardOutput.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      invariants[String(parts[0])] = parts.last.flatMap { Int($0.dropFirst()) }
    }
    return (invariants, result.standardError)
  }

  @Test("A job ends on both hosts with status 75 when the link between them fails during training")
  func whileTraining() throws {
    let (invariants, words) = try cut([])
    #expect(invariants["status"] == 75, "\(words)")
    #expect(invariants["all ended"] != nil, "\(invariants) \(words)")
    #expect(invariants["left"] == 0)
    #expect(words.contains("lockstep: rank 1 (node2) has not come in"), "\(words)")
  }

  @Test("A job ends on both hosts with status 75 when the link between them fails while it starts")
  func atStart() throws {
    // The loss of a host is noticed sooner than by default: the user's options take precedence.
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
        || words.contains("launch/run: mpirun could not start on all hosts, or lost one of them\n"),
      "\(words)")
  }
}
