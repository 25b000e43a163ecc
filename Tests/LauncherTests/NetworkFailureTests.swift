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
  ) throws -> (values: [String: Int], messages: String) {
    let result = try runScript(
      "Tests/LauncherTests/Scripts/cut",
      options + [
        "train", "digits", "--epochs", "100000", "--stall-seconds", "1", "--stall-abort-seconds",
        "3",
      ],
      environment: environment)
    var values: [String: Int] = [:]
    for line in result.standardOutput.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      values[String(parts[0])] = parts.last.flatMap { Int($0.dropFirst()) }
    }
    return (values, result.standardError)
  }

  @Test("A job ends on both hosts with status 75 when the link between them fails during training")
  func whileTraining() throws {
    let (values, messages) = try cut([])
    #expect(values["status"] == 75, "\(messages)")
    #expect(values["all ended"] != nil, "\(values) \(messages)")
    #expect(values["left"] == 0)
    #expect(messages.contains("lockstep: rank 1 (node2) has not reached"), "\(messages)")
  }

  @Test("A job ends on both hosts with status 75 when the link between them fails while it starts")
  func atStart() throws {
    // The loss of a host is noticed sooner than by default: the user's options take precedence.
    let (values, messages) = try cut(
      ["--at-start"],
      environment: [
        "OMPI_MCA_plm_rsh_args": "-o ServerAliveInterval=2 -o ServerAliveCountMax=2"
      ])
    #expect(values["status"] == 75, "\(messages)")
    #expect(values["all ended"] != nil, "\(values) \(messages)")
    #expect(values["left"] == 0)
    #expect(
      messages.contains("launch/run: lost host node2\n")
        || messages.contains(
          "launch/run: mpirun could not start on all hosts, or lost one of them\n"),
      "\(messages)")
  }
}
