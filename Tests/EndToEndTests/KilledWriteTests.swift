// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite("Rank 0 killed in the middle of a checkpoint's write")
struct KilledWriteTests {
  let runs: Runs
  static let options = [
    "digits", "--layers", "8", "--slices", "2", "--steps", "80", "--checkpoint-every", "4",
    "--keep", "3",
  ]

  init() throws { runs = try Runs() }

  private func start(
    _ name: String, ranks: Int, dyingAt point: Int? = nil, _ more: [String] = []
  ) throws -> CommandResult {
    let arguments =
      ["train"] + Self.options + ["--run", "\(runs.folder)/\(name)", "--quiet"] + more
    let environment = point.map { ["LOCKSTEP_TEST_KILL_WRITE": "\($0)"] } ?? [:]
    let binary = try productURL(named: "lockstep").path
    guard ranks > 1 else { return try run(binary, arguments, environment: environment) }
    return try mpirun(
      ranks: ranks, binary, arguments, environment: environment, options: ["--quiet"])
  }

  private func partials(_ name: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "\(runs.folder)/\(name)/checkpoints")
      .filter { $0.hasSuffix(".partial") }
  }

  @Test("at 50 points, one after another: an intact one is found, nothing piles up, bits hold")
  func chain() throws {
    #expect(try start("whole", ranks: 1).status == 0)
    #expect(try start("r", ranks: 1, ["--steps", "4"]).status == 0)
    let folder = CheckpointFolder(path: "\(runs.folder)/r/checkpoints")
    var reached: Set<Int> = []
    for point in 1...50 {
      let ranks = point % 10 == 0 ? 2 : 1
      let result = try start("r", ranks: ranks, dyingAt: point, ["--resume"])
      #expect(result.status == 137, "point \(point): \(result.status) \(result.standardError)")
      let search = try folder.newestIntact()
      let newest = try #require(search.checkpoint, "point \(point)")
      #expect(search.skipped.isEmpty, "point \(point): \(search.skipped)")
      #expect(try folder.latest() != nil, "point \(point)")
      #expect(try partials("r").count <= 1, "point \(point)")
      reached.insert(newest.metadata.step)
    }
    // Death before the rename leaves the old one the newest, death after it the new one.
    #expect(reached.count > 3 && reached.count < 20, "\(reached.sorted())")
    let end = try start("r", ranks: 2, ["--resume"])
    #expect(end.status == 0, "\(end.standardError)")
    #expect(try partials("r").isEmpty)
    // Those that the dead left beyond what is kept are gone; the best one may stay.
    #expect(try folder.entries().count <= 4)
    for name in ["metrics.jsonl", "checkpoints/step-000000080.safetensors"] {
      #expect(try runs.file("r", name) == runs.file("whole", name), "\(name)")
    }
  }
}
