// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite(
  "Hosts that launch/local-cluster creates",
  .enabled(if: canMakeHosts, "needs root, iproute2, openssh-server and network namespaces"))
struct LocalClusterTests {
  @Test(
    "Hosts of local-cluster have names, cores and a network of their own, and leave nothing"
  )
  func hosts() throws {
    let mark = "33\(UInt32.random(in: 0..<1_000_000))"
    let script = """
      hostname; ssh node2 hostname; ssh node2 ssh node3 "'hostname; nproc'"
      ip -o -4 addr show eth0 | sed 's/.*inet //; s/ .*//'
      tc qdisc show dev eth0
      printf '%s\\n' "$LOCKSTEP_HOSTFILE" "$LOCKSTEP_NETWORK" "$LOCKSTEP_BIND"; cat "$LOCKSTEP_HOSTFILE"
      touch /dev/shm/lockstep-\(mark)
      ssh node3 "setsid sleep \(mark) >/dev/null 2>&1 &"
      exit 7
      """
    let result = try runScript(
      "launch/local-cluster", ["3", "--slots", "1", "--rate", "50mbit", "--", "bash", "-c", script])
    #expect(result.status == 7, "\(result.standardError)")
    let lines = result.standardOutput.split(separator: "\n").map(String.init)
    try #require(lines.count == 12, "\(lines)")
    #expect(lines[0...4] == ["node1", "node2", "node3", "1", "10.77.0.1/24"])
    #expect(lines[5].contains("rate 50Mbit"))
    #expect(lines[6...8] == ["/run/lockstep/hostfile", "10.77.0.0/24", "none"])
    #expect(lines[9...] == ["node1 slots=1", "node2 slots=1", "node3 slots=1"])
    #expect(try run("pgrep", ["-f", "sleep \(mark)"]).standardOutput == "")
    #expect(!FileManager.default.fileExists(atPath: "/dev/shm/lockstep-\(mark)"))
    #expect(!FileManager.default.fileExists(atPath: "/run/lockstep/hostfile"))
  }

  @Test("Hosts of local-cluster are gone after the script is killed", arguments: ["TERM", "KILL"])
  func killed(signal: String) throws {
    let mark = "34\(UInt32.random(in: 0..<1_000_000))"
    let cluster = packagePath("launch/local-cluster")
    let script = """
      '\(cluster)' 2 -- sh -c 'ssh node2 sleep \(mark) & echo ready; exec sleep \(mark)' >ready &
      until [ -s ready ]; do sleep 0.1; done
      kill -\(signal) $!
      wait $!
      status=$?
      for i in $(seq 3000); do pgrep -f '^sleep \(mark)' >/dev/null || break; sleep 0.1; done
      pgrep -f '^sleep \(mark)'
      exit $status
      """
    let folder = try TemporaryFolder()
    let result = try run("bash", ["-c", script], currentDirectory: folder.path)
    #expect(result.status == (signal == "TERM" ? 143 : 137), "\(result.standardError)")
    #expect(result.standardOutput == "")
  }

  @Test(
    "local-cluster refuses invalid arguments in one line",
    arguments: [
      (["0", "true"], Int32(64), "N 0: must be a number of hosts from 1 to 250"),
      ([], 64, "N is missing: must be a number of hosts from 1 to 250"),
      (["2"], 64, "missing command; see launch/local-cluster --help"),
      (["2", "--rate", "fast", "true"], 64, "--rate fast: must look like 100mbit or 10gbit"),
      (["2", "--slots", "0", "true"], 64, "--slots 0: must be a positive integer"),
      (["2", "--", "/no/such"], 66, "/no/such: no such program"),
    ])
  func refused(arguments: [String], status: Int32, message: String) throws {
    let result = try runScript("launch/local-cluster", arguments)
    #expect(result.status == status)
    #expect(result.standardError == "launch/local-cluster: \(message)\n")
  }
}
