// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("The launch scripts")
struct LaunchScriptTests {
  @Test(
    "Every launch script prints its usage with --help",
    arguments: ["setup", "build", "run", "quickstart", "test", "local-cluster", "scale"])
  func help(script: String) throws {
    let result = try runScript("launch/\(script)", ["--help"])
    #expect(result.status == 0)
    #expect(result.standardOutput.hasPrefix("usage: launch/\(script)"))
    #expect(result.standardOutput.contains("--help") || script == "quickstart")
  }

  @Test(
    "Every launch script refuses an unknown option in one line, with status 64",
    arguments: ["setup", "build", "run", "quickstart", "test", "local-cluster", "scale"])
  func unknownOption(script: String) throws {
    let result = try runScript("launch/\(script)", ["--frobnicate"])
    #expect(result.status == 64)
    #expect(
      result.standardError
        == "launch/\(script): unknown option --frobnicate; see launch/\(script) --help\n")
  }

  @Test(
    "launch/run refuses invalid arguments in one line",
    arguments: [
      (["-n", "0", "--", "true"], Int32(64), "-n 0: must be a positive integer"),
      (["-n", "two", "--", "true"], 64, "-n two: must be a positive integer"),
      (["-n"], 64, "-n needs a value; see launch/run --help"),
      (["-n", "2"], 64, "missing command; see launch/run --help"),
      (["--hosts", "a b", "--", "true"], 64, "--hosts a b: must look like node1:4,node2:4"),
      (
        ["--hosts", "a", "--hostfile", "/dev/null", "--", "true"], 64,
        "--hosts and --hostfile are mutually exclusive"
      ),
      (["--hostfile", "/no/such", "--", "true"], 66, "--hostfile /no/such: no such file"),
      (["--hostfile", "/dev/null", "--", "true"], 65, "--hostfile /dev/null: lists no hosts"),
      (["--network", "eth0", "--", "true"], 64, "--network eth0: must look like 10.0.0.0/24"),
      (
        ["--max-restarts", "-1", "--", "true"], 64,
        "--max-restarts -1: must be a non-negative integer"
      ),
      (["--bind", "socket", "--", "true"], 64, "--bind socket: must be core or none"),
      (
        ["--", "/no/such/program"], 66,
        "/no/such/program: neither a lockstep command nor an installed program"
      ),
    ])
  func refused(arguments: [String], status: Int32, message: String) throws {
    let result = try runScript("launch/run", arguments)
    #expect(result.status == status)
    #expect(result.standardError == "launch/run: \(message)\n")
  }

  @Test("launch/run --dry-run prints the mpirun line for its hosts and network")
  func dryRun() throws {
    let result = try runScript(
      "launch/run",
      ["--hosts", "a:2,b:3", "--network", "10.1.0.0/16", "--dry-run", "--", "echo", "two words"])
    #expect(result.status == 0)
    for part in [
      "-n 5 ", "--host a:2\\,b:3", "--bind-to core", "btl_tcp_if_include 10.1.0.0/16",
      "btl_tcp_eager_limit 1048576",
      "oob_tcp_if_include 10.1.0.0/16", "echo two\\ words",
    ] {
      #expect(result.standardOutput.contains(part), "\(part) in \(result.standardOutput)")
    }
  }

  @Test("launch/run leaves the eager limit of TCP to the user's environment")
  func eagerLimit() throws {
    let result = try runScript(
      "launch/run", ["--hosts", "a,b", "--network", "10.1.0.0/16", "--dry-run", "--", "true"],
      environment: ["OMPI_MCA_btl_tcp_eager_limit": "65536"])
    #expect(result.status == 0)
    #expect(!result.standardOutput.contains("btl_tcp_eager_limit"))
  }

  @Test(
    "launch/run oversubscribes, and lets idle ranks yield, when there are more ranks than cores")
  func oversubscribe() throws {
    let result = try runScript("launch/run", ["-n", "999", "--dry-run", "--", "true"])
    #expect(result.standardOutput.contains("--oversubscribe --mca mpi_yield_when_idle 1"))
    #expect(result.standardOutput.contains("--bind-to none"))
  }

  @Test("launch/run exits with a rank's status and prints nothing itself", arguments: [1, 64, 76])
  func status(status: Int32) throws {
    let result = try runScript("launch/run", ["-n", "2", "--", "bash", "-c", "exit \(status)"])
    #expect(result.status == status)
    #expect(result.standardError.isEmpty)
  }

  @Test("launch/run says what to do when the program is not built")
  func notBuilt() throws {
    let result = try runScript(
      "launch/run", ["--", "train", "digits"], environment: ["LOCKSTEP_BINARY": "/no/lockstep"])
    #expect(result.status == 66)
    #expect(
      result.standardError == "launch/run: /no/lockstep is not built: run launch/build first\n")
  }

  @Test("launch/setup --dry-run prints what it would install on a bare machine")
  func setup() throws {
    let tools = try TemporaryFolder()
    for tool in ["basename", "dirname", "readlink", "sed", "id", "mktemp", "rm", "sort", "head"] {
      try FileManager.default.createSymbolicLink(
        atPath: tools.file(tool),
        withDestinationPath: try run("/usr/bin/which", [tool]).standardOutput
          .trimmingCharacters(in: .newlines))
    }
    for (name, text) in [("swift", "echo Swift version 6.2"), ("apt-get", "true"), ("sudo", "")] {
      try tools.writeScript(name, text)
    }
    let result = try run(
      "/bin/bash", [packagePath("launch/setup"), "--dry-run"],
      environment: ["PATH": tools.path])
    #expect(result.status == 0, "\(result.standardError)")
    #expect(result.standardOutput.contains("apt-get install -y --no-install-recommends"))
    #expect(result.standardOutput.contains("libopenmpi-dev"))
    #expect(result.standardOutput.contains("pkg-config"))
  }

  @Test("launch/setup refuses a Swift that is too old")
  func oldSwift() throws {
    let tools = try TemporaryFolder()
    try tools.writeScript("swift", "echo Swift version 5.10")
    let result = try runScript(
      "launch/setup", [], environment: ["PATH": "\(tools.path):/usr/bin:/bin"])
    #expect(result.status == 69)
    #expect(result.standardError.contains("Swift 5.10 is too old"))
  }
}
