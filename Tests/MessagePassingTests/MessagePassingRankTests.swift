// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// The checks of RankChecks about messages, each started by mpirun with 1 to 4 ranks, and without it.
///
/// No test initializes MPI in the test runner itself: Open MPI would set its variables in the
/// environment, and every later `mpirun` of the runner would fail.
@Suite("MessagePassing on ranks", .serialized)
struct MessagePassingRankTests {
  static let checks = [
    "environment", "finalize", "communicators", "broadcast", "gather", "all-gather", "all-to-all",
    "all-reduce", "values", "send-receive", "large-message", "tags", "requests", "out-of-order",
    "request-owners", "group-reuse", "group-full", "group-out-of-order", "group-restart",
    "group-collectives", "arguments", "truncation", "request-truncation", "group-truncation",
    "long-wait", "traffic",
  ]

  let program: String

  init() throws { program = try productURL(named: "RankChecks").path }

  @Test("a check of messages passes on 1 to 4 ranks", arguments: checks, [1, 2, 3, 4])
  func check(name: String, ranks: Int) throws {
    let result = try mpirun(ranks: ranks, program, [name])
    #expect(result.status == 0, "\(result)")
    #expect(result.standardOutput.contains("passed: \(name) on \(ranks)\n"), "\(result)")
  }

  @Test("a check of messages passes in a process that mpirun did not start", arguments: checks)
  func checkAlone(name: String) throws {
    let result = try run(program, [name])
    #expect(result.status == 0, "\(result)")
    #expect(result.standardOutput == "passed: \(name) on 1\n", "\(result)")
  }

  @Test(
    "a rank that fails ends the job with its exit status and message",
    arguments: [
      (
        "dropped-request", 70,
        "a request was dropped before it completed: MPI_Irecv of 7 elements, peer 0"
      ),
      ("dropped-group", 70, "MPI_Irecv of 7 elements, peer 0, tag 42, and 2 more"),
      ("failure", 1, "on purpose: found 1, expected 2"),
      ("abort", 75, ""),
    ] as [(String, Int32, String)], [1, 3])
  func fatal(check: (name: String, status: Int32, message: String), ranks: Int) throws {
    let result = try mpirun(ranks: ranks, program, [check.name])
    #expect(result.status == check.status, "\(result)")
    #expect(!result.standardOutput.contains("passed"), "\(result)")
    if !check.message.isEmpty {
      #expect(result.standardError.contains("rank \(ranks - 1): "), "\(result)")
      #expect(result.standardError.contains(check.message), "\(result)")
    }
  }

  @Test("a wait abandoned by its observer throws the observer's error", arguments: [1, 3])
  func abandoned(ranks: Int) throws {
    let result = try mpirun(ranks: ranks, program, ["abandoned-wait"])
    #expect(result.status == 3, "\(result)")
    #expect(result.standardOutput.contains("passed: abandoned-wait on \(ranks)\n"), "\(result)")
    #expect(!result.standardError.contains("dropped"), "\(result)")
  }

  @Test(
    "a world smaller than the launcher's size variable is an error that names the variable",
    arguments: [
      ["PMI_SIZE": "4", "PMI_RANK": "1"],
      ["OMPI_COMM_WORLD_SIZE": "4"],
      ["SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_ID": "0", "SLURM_PROCID": "1"],
    ])
  func wrongLauncher(variables: [String: String]) throws {
    let result = try run(program, ["environment"], environment: variables)
    #expect(result.status == 1)
    let variable = try #require(variables.first { $0.value == "4" }?.key)
    #expect(result.standardError.contains("the launcher started 4 processes (\(variable))"))
  }

  @Test("a Slurm allocation without a step starts a world of one rank")
  func allocation() throws {
    let result = try run(
      program, ["environment"], environment: ["SLURM_NTASKS": "4", "SLURM_PROCID": "0"], timeout: 50
    )
    #expect(result.status == 0, "\(result)")
  }
}
