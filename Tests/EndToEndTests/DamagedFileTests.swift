// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("Damaged checkpoints on the command line")
struct DamagedFileTests {
  let runs: Runs
  static let options = ["digits", "--layers", "2", "--steps", "2", "--quiet"]

  init() throws { runs = try Runs() }

  /// Whether each command that takes the file refuses it, with status 65 and one line.
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

  @Test("a flip in any region, or a cut at any boundary, is refused with 65 by every command")
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
    // The length, the middle of the string map, its end, the table; then the first tensors' bytes.
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
    try expectRefusal(intact + [0], "a byte more")
  }

  @Test("files that memory has no room for are refused before it is taken, packed ones too")
  func tooLarge() throws {
    let zeros = "\(runs.folder)/zeros"
    // 16 MiB that gzip packs to 16 KB, again and again: 8 GiB in 8 MB.
    let make =
      "head -c 16M /dev/zero | gzip >'\(zeros)' && for i in $(seq 512); do cat '\(zeros)'; done"
    let bomb = try run("sh", ["-c", make + " >'\(runs.folder)/bomb.csv.gz'"])
    #expect(bomb.status == 0, "\(bomb.standardError)")
    #expect(try run("truncate", ["-s", "1T", "\(runs.folder)/sparse.csv"]).status == 0)
    let binary = try productURL(named: "lockstep").path
    for name in ["bomb.csv.gz", "sparse.csv"] {
      let limited = "ulimit -v 2500000; exec '\(binary)' train '\(name)' --run r"
      let result = try run("bash", ["-c", limited], currentDirectory: runs.folder, timeout: 60)
      #expect(result.status == 66, "\(name), \(result.status): \(result.standardError)")
      #expect(result.standardError.contains("\(name): needs more memory than is free"))
    }
  }

  @Test("a run without any intact checkpoint is told from one without any, and from none")
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
