// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// The checks of RankChecks about messages, each started by mpirun with 1 to 4 ranks, and alone.
///
/// No test initializes MPI in the test runner itself: Open MPI puts its own variables into the
/// environment then, and every `mpirun` that the runner starts afterwards fails.
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

  @Test("holds on every number of ranks", arguments: checks, [1, 2, 3, 4])
  func check(name: String, ranks: Int) throws {
    let result = try mpirun(ranks: ranks, program, [name], timeout: 50)
    #expect(result.status == 0, "\(result)")
    #expect(result.standardOutput.contains("passed: \(name) on \(ranks)\n"), "\(result)")
  }

  @Test("holds for a process that mpirun did not start", arguments: checks)
  func checkAlone(name: String) throws {
    let result = try run(program, [name], timeout: 50)
    #expect(result.status == 0, "\(result)")
    #expect(result.standardOutput == "passed: \(name) on 1\n", "\(result)")
  }

  @Test(
    "a rank that fails ends the job, with its status and its reason",
    arguments: [
      ("dropped-request", 70, "a request was dropped in flight: MPI_Irecv of 7 elements, peer 0"),
      ("dropped-group", 70, "MPI_Irecv of 7 elements, peer 0, tag 42, and 2 more"),
      ("failure", 1, "on purpose: found 1, expected 2"),
      ("abort", 75, ""),
    ] as [(String, Int32, String)], [1, 3])
  func fatal(check: (name: String, status: Int32, message: String), ranks: Int) throws {
    let result = try mpirun(ranks: ranks, program, [check.name], timeout: 50)
    #expect(result.status == check.status, "\(result)")
    #expect(!result.standardOutput.contains("passed"), "\(result)")
    if !check.message.isEmpty {
      #expect(result.standardError.contains("rank \(ranks - 1): "), "\(result)")
      #expect(result.standardError.contains(check.message), "\(result)")
    }
  }

  @Test("a wait that its observer gives up ends with the observer's reason", arguments: [1, 3])
  func abandoned(ranks: Int) throws {
    let result = try mpirun(ranks: ranks, program, ["abandoned-wait"], timeout: 50)
    #expect(result.status == 3, "\(result)")
    #expect(result.standardOutput.contains("passed: abandoned-wait on \(ranks)\n"), "\(result)")
    #expect(!result.standardError.contains("dropped"), "\(result)")
  }

  @Test(
    "a world smaller than the launcher says is an error that names the variable",
    arguments: [
      ["PMI_SIZE": "4", "PMI_RANK": "1"],
      ["OMPI_COMM_WORLD_SIZE": "4"],
      ["SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_ID": "0", "SLURM_PROCID": "1"],
    ])
  func wrongLauncher(variables: [String: String]) throws {
    let result = try run(program, ["environment"], environment: variables, timeout: 50)
    #expect(result.status == 1)
    let variable = try #require(variables.first { $0.value == "4" }?.key)
    #expect(result.standardError.contains("\(variable) says that 4 processes were started"))
  }

  @Test("an allocation of Slurm's alone is no reason to expect ranks")
  func allocation() throws {
    let result = try run(
      program, ["environment"], environment: ["SLURM_NTASKS": "4", "SLURM_PROCID": "0"], timeout: 50
    )
    #expect(result.status == 0, "\(result)")
  }
}
