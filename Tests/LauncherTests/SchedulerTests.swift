// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// How launch/run finds the hosts of a scheduler's job.
///
/// `scontrol` is a script that expands host lists as Slurm's does.
@Suite("Hosts of a scheduler")
struct SchedulerTests {
  let folder: TemporaryFolder
  let here: String

  init() throws {
    folder = try TemporaryFolder()
    here = try run("hostname", []).standardOutput.trimmingCharacters(in: .newlines)
  }

  func dryRun(
    _ options: [String] = [], _ environment: [String: String]
  ) throws -> CommandResult {
    try folder.writeScript(
      "scontrol",
      """
      [ "$*" = 'show hostnames here,there[1-2]' ] && printf '\(here)\\nlocalhost\\n127.0.0.1\\n'
      [ "$*" = 'show hostnames none' ] || exit 1
      """)
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    return try runScript(
      "launch/run", options + ["--dry-run", "--", "true"],
      environment: environment.merging(["PATH": "\(folder.path):\(path)"]) { own, _ in own })
  }

  static let job = ["SLURM_JOB_NODELIST": "here,there[1-2]"]

  @Test(
    "launch/run uses the hosts of a Slurm job, with one slot per task, or per processor",
    arguments: [
      (["SLURM_TASKS_PER_NODE": "2(x2),1", "SLURM_JOB_CPUS_PER_NODE": "8(x3)"], [2, 2, 1]),
      (["SLURM_JOB_CPUS_PER_NODE": "4,2(x2)"], [4, 2, 2]),
    ])
  func slurm(environment: [String: String], slots: [Int]) throws {
    let result = try dryRun([], Self.job.merging(environment) { own, _ in own })
    #expect(result.status == 0, "\(result.standardError)")
    let hosts = zip([here, "localhost", "127.0.0.1"], slots).map { "\($0):\($1)" }
    #expect(result.standardOutput.hasPrefix("mpirun -n \(slots.reduce(0, +)) "))
    #expect(result.standardOutput.contains("--host \(hosts.joined(separator: "\\,")) "))
    #expect(
      result.standardError == "launch/run: hosts from Slurm: \(hosts.joined(separator: ","))\n")
  }

  @Test("launch/run uses the hosts of the MPI Operator's hostfile")
  func kubernetes() throws {
    let file = try folder.write("hostfile", "localhost slots=3\n")
    let result = try dryRun([], ["OMPI_MCA_orte_default_hostfile": file])
    #expect(result.standardOutput.contains("mpirun -n 3 "))
    #expect(result.standardOutput.contains("--host localhost:3 "))
    #expect(result.standardError == "launch/run: hosts from Kubernetes: localhost:3\n")
  }

  @Test("Hosts that are given to launch/run take precedence over those of the scheduler")
  func asked() throws {
    let listed = try dryRun(["--hosts", "localhost:2"], Self.job)
    #expect(listed.standardOutput.contains("--host localhost:2 "))
    #expect(listed.standardError == "")
    let file = try folder.write("hostfile", "localhost slots=2\n")
    let result = try dryRun(
      [], Self.job.merging(["LOCKSTEP_HOSTFILE": file, "LOCKSTEP_BIND": "none"]) { own, _ in own })
    #expect(result.standardOutput.contains("--host localhost:2 --bind-to none "))
  }

  @Test(
    "launch/run refuses host lists of a scheduler that it can't use in one line",
    arguments: [
      (
        ["SLURM_JOB_NODELIST": "none", "SLURM_TASKS_PER_NODE": "1"], Int32(69),
        "can't match Slurm's node list none with its task counts 1: specify the hosts with --hosts"
      ),
      (
        ["SLURM_JOB_NODELIST": "here,there[1-2]", "SLURM_TASKS_PER_NODE": "2(x9)"], 69,
        "can't match Slurm's node list here,there[1-2] with its task counts 2(x9): specify the hosts with --hosts"
      ),
      (
        ["SLURM_JOB_NODELIST": "here,there[1-2]", "SLURM_STEP_NUM_TASKS": "4"], 64,
        "srun starts launch/run once per task: call it from the batch script without srun"
      ),
      (
        ["LOCKSTEP_HOSTFILE": "/no/such"], 66, "LOCKSTEP_HOSTFILE /no/such: no such file"
      ),
    ])
  func refused(environment: [String: String], status: Int32, message: String) throws {
    let result = try dryRun([], environment)
    #expect(result.status == status)
    #expect(result.standardError == "launch/run: \(message)\n")
  }

  @Test("launch/run refuses more ranks than slots, also on this machine alone")
  func tooMany() throws {
    let result = try dryRun(["-n", "3", "--hosts", "localhost:2"], [:])
    #expect(result.status == 64)
    #expect(
      result.standardError
        == "launch/run: 3 ranks, but the hosts have only 2 slots: specify more slots per host, as in node1:4, or start fewer ranks\n"
    )
  }

  @Test(
    "launch/run passes on variables that decide which libraries ranks load and how they compute")
  func variables() throws {
    let result = try dryRun(
      [], ["LD_LIBRARY_PATH": "/nowhere", "DNNL_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"])
    for name in ["LD_LIBRARY_PATH", "DNNL_MAX_CPU_ISA", "OMP_NUM_THREADS"] {
      #expect(result.standardOutput.contains("-x \(name) "), "\(result.standardOutput)")
    }
    #expect(!result.standardOutput.contains("-x PATH"))
  }
}
