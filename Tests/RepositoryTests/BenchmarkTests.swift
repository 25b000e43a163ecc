// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// The programs in Benchmarks, with a script in place of PyTorch and JAX.
@Suite("Benchmarks", .enabled(if: hasPython, "needs python3"))
struct BenchmarkTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  func start(_ program: String, _ arguments: [String]) throws -> CommandResult {
    try runScript("Benchmarks/\(program)", arguments)
  }

  /// A folder as setup-peers creates it, with a shell script in place of Python.
  func peers(_ script: String) throws -> String {
    try folder.makeFolder("peers/bin")
    try folder.makeFolder("peers/preload")
    try folder.writeScript("peers/bin/python", script)
    for library in ["libmkl_intel_cpu.so", "libtcmalloc_minimal.so.4"] {
      try folder.write("peers/preload/\(library)", "")
    }
    return folder.file("peers")
  }

  struct Results: Decodable {
    struct Spread: Decodable { let median, min, max: Double }
    struct Run: Decodable { let peer, lockstep: Double }
    struct Peer: Decodable {
      let name: String
      let ratio: Spread
      let runs: [Run]
    }
    struct Cell: Decodable {
      let workload: String
      let cores: Int
      let peers: [Peer]
      let errors: [String: String]
      let ratio: Spread?
      let floorReached, aimReached: Bool?
    }
    struct Memory: Decodable {
      let peakMb: Double
      let reached: Bool
    }
    let cells: [Cell]
    let memory: [Memory]
  }

  func results() throws -> Results {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Results.self, from: Data(folder.bytes(of: "results.json")))
  }

  func versus(_ peers: String, _ more: [String]) throws -> CommandResult {
    try start(
      "versus",
      ["--quick", "--cores", "1", "--folder", peers, "--json", folder.file("results.json")]
        + more)
  }

  @Test("Benchmarks/versus compares neighboring runs, and reports which floors are reached")
  func ratios() throws {
    let peers = try peers(
      #"""
      case "$*" in *--scan*) speed=0.5 ;; *) speed=0.125 ;; esac
      echo noise
      echo "{\"variant\":\"v\",\"versions\":{},\"steps_per_s\":$speed,\"total_rss_mb\":7}"
      """#)
    let result = try versus(peers, ["--only", "W3", "--parts", "peers", "--check"])
    #expect(result.status == 0, "\(result.standardError)")
    let cell = try #require(try results().cells.first)
    #expect(cell.workload == "W3" && cell.cores == 1 && cell.errors.isEmpty)
    #expect(cell.peers.map(\.name) == ["jax scan inline, 1 x 1", "jax jit inline, 1 x 1"])
    let best = try #require(cell.peers.first)
    #expect(best.runs.count == 1 && best.runs[0].peer == 0.5)
    #expect(best.ratio.median == best.runs[0].lockstep / 0.5)
    #expect(cell.ratio?.median == best.ratio.median)
    #expect(cell.floorReached == true && cell.aimReached == true)
    #expect(
      result.standardOutput.contains("| W3 64,64,10, batch 32 | 1 | jax scan inline, 1 x 1 | 0.5 |")
    )
  }

  @Test("Benchmarks/versus reports missed floors, peers that fail, and memory")
  func failures() throws {
    let peers = try peers(
      #"""
      case "$*" in *--scan*) echo 'no such device' >&2; exit 3 ;; esac
      echo '{"variant":"v","versions":{},"steps_per_s":1e12,"total_rss_mb":7}'
      """#)
    let result = try versus(peers, ["--only", "W1", "--parts", "peers,memory", "--check"])
    #expect(result.status == 1, "\(result.standardError)")
    let results = try results()
    let cell = try #require(results.cells.first)
    #expect(cell.floorReached == false && cell.peers.count == 2)
    #expect(cell.errors["jax scan inline, 1 x 1"]?.hasPrefix("no such device (status 3: ") == true)
    #expect(result.standardOutput.contains("W1, jax scan inline, 1 x 1: no such device"))
    let memory = try #require(results.memory.first)
    #expect(memory.peakMb > 5 && memory.peakMb < 4000)
  }

  @Test(
    "Every benchmark refuses invalid arguments in one line",
    arguments: [
      ("versus", ["--only", "W9"], 64, "--only: unknown network W9"),
      ("versus", ["--cores", "3"], 64, "--cores 3: must be one or more of 1,2"),
      (
        "versus", ["--folder", "/nowhere"], 66,
        "/nowhere has no peers installed: run Benchmarks/setup-peers"
      ),
      ("plan", ["--only", "W9"], 64, "unknown network W9"),
      ("plan", ["--hosts", "1"], 64, "--rounds must be 1 or more, --hosts from 2 to 200"),
      ("scaling", ["--parts", "all"], 64, "--parts all: must be one or more of one-host,hosts"),
      ("scaling", ["--parts", "one-host", "--folder", "/nowhere"], 66, "/nowhere has no peers"),
      (
        "instructions", ["--profile", "large", "--no-build"], 64, "--profile large: must be one of"
      ),
      ("setup-peers", ["--fast"], 64, "unknown option --fast"),
      ("kernels", ["--fast"], 64, "unknown option --fast"),
    ])
  func refusals(program: String, arguments: [String], status: Int32, words: String) throws {
    let result = try start(program, arguments)
    #expect(result.status == status)
    #expect(
      result.standardError.hasPrefix("Benchmarks/\(program): \(words)"), "\(result.standardError)")
    #expect(result.standardError.split(separator: "\n").count == 1)
  }
}
