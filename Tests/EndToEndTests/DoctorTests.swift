// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("lockstep doctor")
struct DoctorTests {
  struct Checkup: Decodable {
    struct Room: Decodable { let bytes, freeBytes: Int }
    struct Host: Decodable {
      let host: String
      let ranks: [Int]
      let mpi, onednn, instructionSet, build, clockSource: String
      let cores: Int
      let memory: Room
      let sharedMemory: Room?
      let clockOffsetS: Double
      let addresses: [String]
    }
    struct Link: Decodable {
      let from, to: Int
      let latencyUs, gapUs, megabytesPerS: Double
    }
    struct Finding: Decodable {
      let status: Int
      let message: String
    }
    let hosts: [Host]
    let links: [Link]
    let findings: [Finding]
  }

  func read(_ result: CommandResult) throws -> Checkup {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Checkup.self, from: Data(result.standardOutput.utf8))
  }

  @Test("Doctor reports the host once, and each link in both directions", arguments: 1...3)
  func table(ranks: Int) throws {
    let result = try mpirun(ranks: ranks, productURL(named: "lockstep").path, ["doctor", "--json"])
    #expect(result.status == 0, "\(result.standardError)")
    let checkup = try read(result)
    let host = try #require(checkup.hosts.first)
    #expect(checkup.hosts.count == 1 && host.ranks == Array(0..<ranks))
    #expect(host.mpi.hasPrefix("Open MPI v") && host.onednn.split(separator: ".").count == 3)
    #expect(host.build.count == 32 && !host.instructionSet.isEmpty)
    #expect((1...ProcessInfo.processInfo.processorCount).contains(host.cores))
    #expect(host.memory.bytes == Int(ProcessInfo.processInfo.physicalMemory))
    #expect((1...host.memory.bytes).contains(host.memory.freeBytes))
    #expect(host.clockOffsetS == 0 && host.addresses.isEmpty)
    let pairs = (0..<ranks).flatMap { from in
      (0..<ranks).filter { $0 != from }.map { [from, $0] }
    }
    #expect(checkup.links.map { [$0.from, $0.to] } == pairs)
    for link in checkup.links {
      #expect(link.latencyUs > 0 && link.gapUs >= 0 && link.megabytesPerS > 0)
      #expect(link.latencyUs.isFinite && link.megabytesPerS.isFinite)
    }
    let crowded = checkup.findings.contains { $0.message.contains("\(ranks) ranks share") }
    #expect(crowded == (ranks > host.cores))
  }

  @Test("Doctor measures eight of many ranks on one host, each pair once")
  func many() throws {
    let result = try mpirun(
      ranks: 9, productURL(named: "lockstep").path, ["doctor", "--json", "--seconds", "1"])
    #expect(result.status == 0, "\(result.standardError)")
    let links = try read(result).links
    #expect(Set(links.map { [$0.from, $0.to] }).count == 56 && links.count == 56)
    #expect(links.allSatisfy { $0.from < 8 && $0.to < 8 && $0.from != $0.to })
  }

  @Test("Doctor reports another build of the program, with the status that training would have")
  func anotherBuild() throws {
    let runs = try TrainingRuns()
    let own = try productURL(named: "lockstep").path
    let other = "\(runs.folder)/lockstep"
    try FileManager.default.copyItem(atPath: own, toPath: other)
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: other))
    try file.seekToEnd()
    try file.write(contentsOf: Data("another".utf8))
    try file.close()
    let result = try mpirun(
      ranks: 1, own, ["doctor", "--json", ":", "-n", "1", other, "doctor", "--json"])
    #expect(result.status == 76, "\(result.standardError)")
    #expect(result.standardError.contains("ranks disagree on the build of lockstep"))
    let checkup = try read(result)
    #expect(checkup.links.count == 2)
    #expect(checkup.findings.filter { $0.status == 76 }.count == 1)
  }

  @Test(
    "Doctor reports a /dev/shm that is too small for MPI's messages",
    .enabled(if: canReplaceSharedMemory, "needs root and the right to mount"),
    arguments: [(4, true), (64, false)])
  func sharedMemory(megabytes: Int, isFound: Bool) throws {
    let script = """
      mount -t tmpfs -o size=\(megabytes)m tmpfs /dev/shm
      exec mpirun --quiet --allow-run-as-root --oversubscribe --bind-to none -n 2 "$@" </dev/null
      """
    let result = try run(
      "unshare",
      ["--mount", "bash", "-c", script, "bash", productURL(named: "lockstep").path, "doctor"]
        + ["--json"])
    #expect(result.status == 0, "\(result.standardError)")
    let checkup = try read(result)
    #expect(checkup.hosts.first?.sharedMemory?.bytes == megabytes << 20)
    #expect(checkup.findings.contains { $0.message.contains("/dev/shm") } == isFound)
  }

  @Test(
    "Doctor reports hosts, addresses and clock offsets, and a link that is slower than the others",
    .enabled(if: canMakeHosts, "needs root, iproute2, openssh-server and namespaces"))
  func hosts() throws {
    let script = """
      tc -n switch qdisc replace dev port3 root tbf rate 20mbit burst 64k latency 50ms
      exec '\(packagePath("launch/run"))' -n 3 -- doctor --json --seconds 2
      """
    let result = try runScript(
      "launch/local-cluster", ["3", "--slots", "1", "--", "bash", "-c", script])
    #expect(result.status == 0, "\(result.standardError)")
    let checkup = try read(result)
    #expect(checkup.hosts.map(\.host) == ["node1", "node2", "node3"])
    #expect(checkup.hosts.map(\.ranks) == [[0], [1], [2]])
    #expect(checkup.hosts.map(\.addresses) == (1...3).map { ["eth0 10.77.0.\($0)"] })
    // The hosts are one machine, so the measured offset is the error of the measurement.
    #expect(checkup.hosts.allSatisfy { abs($0.clockOffsetS) < 1 })
    #expect(checkup.links.count == 6)
    // 20 Mbit/s are 2.5 MB/s, and the shaper lets 64 kB through at once. How far a busy machine
    // stays below that has no fixed limit.
    let slow = checkup.links.filter { $0.to == 2 }.map(\.megabytesPerS)
    #expect(slow.count == 2 && slow.allSatisfy { $0 > 0 && $0 <= 5 }, "\(slow)")
    for name in ["node1 (rank 0)", "node2 (rank 1)"] {
      #expect(
        checkup.findings.contains { $0.message.hasPrefix("\(name) to node3 (rank 2): ") },
        "\(checkup.findings)")
    }
  }

  @Test("Doctor prints tables without --json, and refuses wrong options in one line")
  func text() throws {
    let result = try mpirun(ranks: 2, productURL(named: "lockstep").path, ["doctor"])
    #expect(result.status == 0)
    for words in ["Hosts\n", "Latency in microseconds", "Bandwidth in MB/s", "rank 1"] {
      #expect(result.standardOutput.contains(words))
    }
    for wrong in [["--fast"], ["--seconds", "0"], ["--seconds", "nan"]] {
      let result = try run(productURL(named: "lockstep").path, ["doctor"] + wrong)
      #expect(result.status == 64)
      #expect(result.standardError.split(separator: "\n").count == 1)
    }
  }
}
