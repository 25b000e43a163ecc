// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("The scaling experiment")
struct ScaleTests {
  let folder: Runs

  init() throws { folder = try Runs() }

  static let script = packageRoot.appendingPathComponent("launch/scale").path
  static let checker =
    packageRoot.appendingPathComponent("Tests/ClusterTests/Scripts/check-report").path
  var output: String { folder.folder + "/scaling" }

  func scale(_ arguments: [String], environment: [String: String] = [:]) throws -> CommandResult {
    let binary = ["LOCKSTEP_BINARY": try productURL(named: "lockstep").path]
    return try run(
      Self.script, arguments, environment: binary.merging(environment) { $1 },
      currentDirectory: folder.folder, timeout: 200)
  }

  /// Computes the numbers of the report anew from the runs' files.
  func check(_ runs: [String]) throws {
    let result = try run(
      "python3", [Self.checker, "\(output)/report.html"] + runs.map { "\(output)/\($0)" })
    #expect(result.status == 0, "\(result.standardError)")
    #expect(result.standardOutput.hasSuffix(" digests agree\n"))
  }

  static let training = ["--", "digits", "--steps", "40", "--layers", "32", "--batch", "64"]

  @Test("trains every size in turn, and its report has the numbers of the runs' files")
  func strong() throws {
    let result = try scale(
      ["--sizes", "1,2,3", "--repeats", "2", "--output", output] + Self.training)
    #expect(result.status == 0, "\(result.standardError)")
    #expect(result.standardOutput.contains("bit-for-bit identical in 6 runs"))
    let runs = (1...2).flatMap { turn in (1...3).map { "ranks-\($0)-repeat-\(turn)" } }
    for name in runs {
      let config = try folder.file("scaling/\(name)", "config.yaml")
      #expect(String(decoding: config, as: UTF8.self).contains("\nslices: 6\n"))
    }
    if hasPython { try check(runs) }
    let again = try scale(["--sizes", "1", "--output", output] + Self.training)
    #expect(again.status == 73 && again.standardError.contains("\(output): exists already"))
    let replaced = try scale(
      ["--sizes", "1", "--repeats", "1", "--overwrite", "--output", output] + Self.training)
    #expect(replaced.status == 0, "\(replaced.standardError)")
  }

  @Test("lets the batch grow with the ranks, and then promises no bits")
  func weak() throws {
    let result = try scale(
      ["--weak", "--sizes", "1,2", "--repeats", "1", "--output", output] + Self.training)
    #expect(result.status == 0, "\(result.standardError)")
    #expect(result.standardOutput.contains("another batch is another computation"))
    let config = try folder.file("scaling/ranks-2-repeat-1", "config.yaml")
    #expect(String(decoding: config, as: UTF8.self).contains("\nbatch: 128\n"))
    if hasPython { try check(["ranks-1-repeat-1", "ranks-2-repeat-1"]) }
  }

  @Test("says which hosts, slices and batches it would start")
  func dryRun() throws {
    let list = ["--hosts", "a:2,b:2,c:4", "--network", "10.0.0.0/24", "--repeats", "1"]
    let lines = try scale(list + ["--dry-run", "--", "digits"]).standardOutput
      .split(separator: "\n")
    try #require(lines.count == 3)
    #expect(lines[1].contains("--hosts a:2\\,b:2 --network 10.0.0.0/24 -- train digits --slices 8"))
    #expect(lines[2].contains("/hosts-3-repeat-1 "))
    let weak = try scale(list + ["--dry-run", "--weak", "--", "digits", "--batch", "100"])
    #expect(weak.standardOutput.contains("--batch 200") && weak.standardOutput.contains("400"))
    let chosen = try scale(list + ["--dry-run", "--sizes", "2", "--", "digits", "--slices", "5"])
    #expect(chosen.standardOutput.contains("train digits --slices 5 --run"))
  }

  @Test(
    "a slip is one line, and nothing is started",
    arguments: [
      (["digits"], 64, "write -- before the data"),
      (["--sizes", "2,1", "--", "digits"], 64, "--sizes 2,1: must ascend"),
      (["--sizes", "x", "--", "digits"], 64, "--sizes x: must look like 1,2,4"),
      (["--hosts", "a,b", "--sizes", "3", "--", "digits"], 64, "--sizes 3: there are 2 hosts"),
      (["--repeats", "0", "--", "digits"], 64, "--repeats 0: must be a positive"),
      (["--", "digits", "--run", "r"], 64, "--run: launch/scale names the runs itself"),
      (["--hostfile", "nowhere", "--", "digits"], 66, "--hostfile nowhere: no such file"),
      (["--"], 64, "no data to train on"), (["--nope"], 64, "unknown option --nope"),
      (["--sizes", "1", "--", "nowhere.csv"], 66, nil),
    ] as [([String], Int32, String?)])
  func refusals(arguments: [String], status: Int32, words: String?) throws {
    let result = try scale(arguments)
    #expect(result.status == status, "\(result.standardError)")
    if let words {
      #expect(result.standardError.hasPrefix("launch/scale: \(words)"), "\(result.standardError)")
      #expect(result.standardError.split(separator: "\n").count == 1)
    } else {
      #expect(result.standardError.contains("ranks-1-repeat-1 ended with status \(status)"))
    }
    #expect(!FileManager.default.fileExists(atPath: "\(folder.folder)/runs/scaling/report.html"))
  }
}
