// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// The output and exit status of launch/run for each fault that the script `break-hosts` injects.
private struct BrokenHosts {
  struct Ending {
    var lines: [String] = []
    var status: Int32?
  }
  var endings: [String: Ending] = [:]
  var left: Int?

  init(_ text: String) {
    var name = ""
    for line in text.split(separator: "\n").map(String.init) {
      if line.hasPrefix("== ") {
        name = String(line.dropFirst(3))
        endings[name] = Ending()
      } else if line.hasPrefix("status ") {
        endings[name]?.status = Int32(line.dropFirst(7))
      } else if line.hasPrefix("left: ") {
        left = Int(line.dropFirst(6))
      } else {
        endings[name]?.lines.append(line)
      }
    }
  }
}

@Suite(
  "Hosts with faults",
  .enabled(if: canMakeHosts, "needs root, iproute2, openssh-server and network namespaces"))
struct BrokenHostsTests {
  /// A line of launch/run, by its beginning and end: between them are paths and ports.
  static let lines: [(name: String, status: Int32, begins: String, ends: String)] = [
    (
      "unknown name", 69, "node9: unknown host name",
      "check its spelling, or add it to /etc/hosts"
    ),
    (
      "too many ranks", 64, "3 ranks, but the hosts have only 2 slots",
      "specify more slots per host, as in node1:4, or start fewer ranks"
    ),
    (
      "no ssh server", 69, "node2: ssh connection refused",
      "install and start openssh-server there"
    ),
    ("no answer", 69, "node2: ssh connection timed out", "is there a firewall?"),
    (
      "unknown key", 69, "node2: its host key is unknown",
      "log in once with ssh node2, and confirm the key"
    ),
    ("changed key", 69, "node2: its host key has changed", "log in once with ssh node2"),
    (
      "no permission", 69, "node2: ssh denied access to root",
      "run ssh-copy-id node2, and check that PermitRootLogin allows root"
    ),
    ("no program", 69, "node2: /", "copy it from this machine to the same path"),
    ("other build", 76, "node2: /", "or allow this with --allow-mixed-hardware"),
    (
      "no library", 69, "node2: /",
      "run launch/setup there, and install Swift if its libraries are among them"
    ),
    ("no Open MPI", 69, "node2: Open MPI is not installed there", "run launch/setup there"),
    (
      "other Open MPI", 69, "node2: Open MPI is version 9.9.9 there, but 4.",
      "install the same version on both"
    ),
    (
      "not in the network", 69, "node1 has no address in 10.78.0.0/24 (--network)",
      "its addresses: 10.77.0.1"
    ),
    (
      "no common network", 69,
      "the hosts share no network: node1 is on 10.77.0.0/24 10.79.0.0/24 172.17.0.0/16; "
        + "node2 is on 10.77.0.0/26 172.17.0.0/16",
      "specify it with --network"
    ),
    (
      "firewall for ranks", 69, "node", "port 1024: open the firewall for all TCP between the hosts"
    ),
  ]

  @Test("launch/run names each host that can't take part and what to do, and leaves no process")
  func messages() throws {
    let result = try runScript("Tests/LauncherTests/Scripts/break-hosts", [])
    #expect(result.status == 0, "\(result.standardError)")
    let hosts = BrokenHosts(result.standardOutput)
    for line in Self.lines where hasFirewall || !line.name.hasPrefix("firewall") {
      let ending = try #require(hosts.endings[line.name], "\(line.name)")
      #expect(ending.status == line.status, "\(line.name): \(ending.lines)")
      try #require(ending.lines.count == 1, "\(line.name): \(ending.lines)")
      #expect(ending.lines[0].hasPrefix("launch/run: \(line.begins)"), "\(ending.lines[0])")
      #expect(ending.lines[0].hasSuffix(line.ends), "\(ending.lines[0])")
    }
    #expect(hosts.endings["no library"]?.lines[0].contains("libxxhash.so.0") == true)
    #expect(
      hosts.endings["no program"]?.lines[0].contains("is missing there or not executable") == true)
    #expect(hosts.endings["other build"]?.lines[0].contains("is a different build there") == true)
    #expect(hosts.left == 0)
    try checkFirewall(hosts)
    try checkHealthy(hosts)
  }

  /// Expects both directions of one pair to be named, and no other.
  private func checkFirewall(_ hosts: BrokenHosts) throws {
    guard hasFirewall else { return }
    let ending = try #require(hosts.endings["firewall"])
    #expect(ending.status == 69)
    #expect(ending.lines.count == 2, "\(ending.lines)")
    for (from, to) in [(2, 3), (3, 2)] {
      let words = "launch/run: node\(from) can't reach node\(to): TCP to 10.77.0.\(to) port "
      let line = try #require(ending.lines.first { $0.hasPrefix(words) }, "\(ending.lines)")
      #expect(line.contains(" timed out: open the firewall for all TCP between the hosts"))
    }
  }

  /// Expects no failure where there is none, and the right network.
  private func checkHealthy(_ hosts: BrokenHosts) throws {
    #expect(hosts.endings["healthy"]?.status == 0)
    #expect(hosts.endings["healthy"]?.lines == [])
    let notes = [
      "other build, allowed": [], "bridges of containers": [],
      "no folder": ["there is no directory /"],
      "two networks": [
        "the hosts share the networks 10.77.0.0/24 10.79.0.0/24: using 10.77.0.0/24, the fastest; choose another with --network"
      ],
    ]
    for (name, words) in notes {
      let ending = try #require(hosts.endings[name], "\(name)")
      #expect(ending.status == 0, "\(name)")
      #expect(ending.lines.count == words.count + 1, "\(name): \(ending.lines)")
      for (line, expected) in zip(ending.lines, words) { #expect(line.contains(expected)) }
      let parts = [
        "--host node1:1\\,node2:1", "btl_tcp_if_include 10.77.0.0/24",
        "oob_tcp_if_include 10.77.0.0/24",
      ]
      for part in parts { #expect(ending.lines.last?.contains(part) == true, "\(name): \(part)") }
    }
  }
}
