// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite("Damaged files on the command line")
struct DamagedFileTests {
  let runs: TrainingRuns
  static let options = ["digits", "--layers", "2", "--steps", "2", "--quiet"]

  init() throws { runs = try TrainingRuns() }

  /// Expects each command that reads the file to refuse it with status 65 and one line.
  private func expectRefusal(_ content: Data, _ what: String) throws {
    let path = "\(runs.folder)/damaged.safetensors"
    try content.write(to: URL(fileURLWithPath: path))
    let commands = [
      ["inspect", path], ["evaluate", path, "digits"],
      ["train"] + Self.options + ["--resume", path, "--run", "\(runs.folder)/new"],
    ]
    for command in commands {
      let result = try run(productURL(named: "lockstep").path, command)
      #expect(result.status == 65, "\(command[0]), \(what): \(result.standardError)")
      #expect(result.standardError.hasPrefix("lockstep: '\(path)' can't be used: "))
      #expect(result.standardError.split(separator: "\n").count == 1)
      #expect(result.standardOutput.isEmpty)
    }
    #expect(!FileManager.default.fileExists(atPath: "\(runs.folder)/new"))
  }

  @Test("Every command refuses a checkpoint with a flipped bit or a truncated one, with status 65")
  func damage() throws {
    try runs.train("r", ranks: 1, Self.options)
    let intact = try runs.file("r", "checkpoints/step-000000002.safetensors")
    let length = intact.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let data = 8 + length
    let header = try #require(
      try JSONSerialization.jsonObject(with: intact[8..<data]) as? [String: [String: Any]])
    let ranges = header.values.compactMap { $0["data_offsets"] as? [Int] }
      .sorted { $0[0] < $1[0] }
    #expect(ranges.count == 28)
    // The length, the metadata's middle and end, the table; then the bytes of the first tensors.
    let flips =
      [0, 7, 8, 20, 8 + length / 2, data - 1] + ranges.prefix(6).map { data + $0[0] } + [
        intact.count - 1
      ]
    for place in flips {
      var content = intact
      content[place] ^= 0x10
      try expectRefusal(content, "byte \(place) flipped")
    }
    let cuts = [0, 1, 8, data / 2, data, data + ranges[0][1], intact.count - 1]
    for cut in cuts { try expectRefusal(intact.prefix(cut), "cut to \(cut)") }
    try expectRefusal(intact + [0], "one byte longer")
  }

  @Test("Tables that do not fit into memory are refused before they exhaust it, also if compressed")
  func tooLarge() throws {
    let rows = "\(runs.folder)/rows"
    // 16 MiB that gzip compresses to 32 KB, 512 times: 8 GiB in 16 MB.
    let make =
      "yes 1,2,3,4 | head -c 16M | gzip >'\(rows)' && for i in $(seq 512); do cat '\(rows)'; done"
    let bomb = try run("sh", ["-c", make + " >'\(runs.folder)/bomb.csv.gz'"])
    #expect(bomb.status == 0, "\(bomb.standardError)")
    #expect(try run("truncate", ["-s", "1T", "\(runs.folder)/sparse.csv"]).status == 0)
    let binary = try productURL(named: "lockstep").path
    for (name, status, reason) in [
      ("bomb.csv.gz", 66, "its rows need more memory than is free"),
      ("sparse.csv", 65, "neither a text nor a NumPy file"),
    ] {
      let limited = "ulimit -v 2500000; exec '\(binary)' train '\(name)' --run r"
      let result = try run("bash", ["-c", limited], currentDirectory: runs.folder)
      #expect(result.status == Int32(status), "\(name): \(result.standardError)")
      #expect(result.standardError.contains(reason), "\(result.standardError)")
    }
  }

  @Test(
    "A run whose checkpoints are all damaged gives status 65, and one without checkpoints status 66"
  )
  func nothingIntact() throws {
    try runs.train("r", ranks: 1, Self.options)
    let folder = "\(runs.folder)/r/checkpoints"
    let resume =
      ["train"] + Self.options + ["--resume", "--run", "\(runs.folder)/r"]
    let binary = try productURL(named: "lockstep").path
    for name in try FileManager.default.contentsOfDirectory(atPath: folder)
    where name.hasSuffix(".safetensors") {
      try Data([1, 2, 3]).write(to: URL(fileURLWithPath: folder + "/" + name))
    }
    for command in [resume, ["inspect", "\(runs.folder)/r"]] {
      let damaged = try run(binary, command)
      #expect(damaged.status == 65, "\(damaged.standardError)")
      #expect(damaged.standardError.contains("none of its 2 checkpoints is intact"))
    }
    try FileManager.default.removeItem(atPath: folder)
    for command in [resume, ["inspect", "\(runs.folder)/r"]] {
      let empty = try run(binary, command)
      #expect(empty.status == 66, "\(empty.standardError)")
      #expect(empty.standardError.contains("there is no checkpoint in it"))
    }
  }
}

@Suite("Checkpoint writes that are killed")
struct KilledWriteTests {
  let runs: TrainingRuns
  static let options = [
    "digits", "--layers", "8", "--slices", "2", "--steps", "80", "--checkpoint-every", "4",
    "--keep", "3",
  ]

  init() throws { runs = try TrainingRuns() }

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

  @Test(
    "A run that is killed at 50 points of its checkpoint writes resumes to the same bits"
  )
  func killed() throws {
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
    // A kill before the rename leaves the old checkpoint as the newest one, after it the new one.
    #expect(reached.count > 3 && reached.count < 20, "\(reached.sorted())")
    let end = try start("r", ranks: 2, ["--resume"])
    #expect(end.status == 0, "\(end.standardError)")
    #expect(try partials("r").isEmpty)
    // What killed runs left beyond --keep is gone; the best checkpoint may stay.
    #expect(try folder.entries().count <= 4)
    for name in ["metrics.jsonl", "checkpoints/step-000000080.safetensors"] {
      #expect(try runs.file("r", name) == runs.file("whole", name), "\(name)")
    }
  }
}
