// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("Scaling experiments")
struct ScaleTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let checker = packagePath("Tests/LauncherTests/Scripts/check-report")
  var output: String { folder.file("scaling") }

  func scale(_ arguments: [String]) throws -> CommandResult {
    try runScript("launch/scale", arguments, currentDirectory: folder.path)
  }

  /// Expects the numbers of the report to be those that the runs' files give.
  func check(_ runs: [String]) throws {
    let result = try run(
      "python3", [Self.checker, "\(output)/report.html"] + runs.map { "\(output)/\($0)" })
    #expect(result.status == 0, "\(result.standardError)")
    #expect(result.standardOutput.hasSuffix(" digests agree\n"))
  }

  static let training = ["--", "digits", "--steps", "40", "--layers", "32", "--batch", "64"]

  @Test(
    "launch/scale trains on every size in turn, and its report has the numbers of the runs' files")
  func strong() throws {
    let result = try scale(
      ["--sizes", "1,2,3", "--repeats", "2", "--output", output] + Self.training)
    #expect(result.status == 0, "\(result.standardError)")
    #expect(result.standardOutput.contains("bitwise identical in 6 runs"))
    let runs = (1...2).flatMap { turn in (1...3).map { "ranks-\($0)-repeat-\(turn)" } }
    for name in runs {
      #expect(try folder.text(of: "scaling/\(name)/config.yaml").contains("\nslices: 6\n"))
    }
    if hasPython { try check(runs) }
    let again = try scale(["--sizes", "1", "--output", output] + Self.training)
    #expect(again.status == 73 && again.standardError.contains("\(output): already exists"))
    let replaced = try scale(
      ["--sizes", "1", "--repeats", "1", "--overwrite", "--output", output] + Self.training)
    #expect(replaced.status == 0, "\(replaced.standardError)")
  }

  @Test("launch/scale --weak grows the batch with the ranks, and doesn't compare results")
  func weak() throws {
    let result = try scale(
      ["--weak", "--sizes", "1,2", "--repeats", "1", "--output", output] + Self.training)
    #expect(result.status == 0, "\(result.standardError)")
    #expect(
      result.standardOutput.contains("the batch sizes differ, so equal results are not expected"))
    let config = try folder.text(of: "scaling/ranks-2-repeat-1/config.yaml")
    #expect(config.contains("\nbatch: 128\n"))
    if hasPython { try check(["ranks-1-repeat-1", "ranks-2-repeat-1"]) }
  }

  @Test("launch/scale --dry-run prints the hosts, slices and batches of each run")
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
    "launch/scale refuses invalid arguments in one line and starts nothing",
    arguments: [
      (["digits"], 64, "write -- before the data"),
      (["--sizes", "2,1", "--", "digits"], 64, "--sizes 2,1: must be in ascending order"),
      (["--sizes", "x", "--", "digits"], 64, "--sizes x: must look like 1,2,4"),
      (
        ["--hosts", "a,b", "--sizes", "3", "--", "digits"], 64, "--sizes 3: there are only 2 hosts"
      ),
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
      #expect(result.standardError.contains("ranks-1-repeat-1 exited with status \(status)"))
    }
    #expect(!FileManager.default.fileExists(atPath: folder.file("runs/scaling/report.html")))
  }
}

@Suite(
  "Scaling experiments over hosts",
  .enabled(
    if: canMakeHosts && hasPython,
    "needs root, iproute2, openssh-server, network namespaces and python3"))
struct HostScalingTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Runs a shell script on the first of some hosts, with `scale` and `output` set.
  func onHosts(_ count: Int, _ script: String) throws -> CommandResult {
    try runScript(
      "launch/local-cluster", ["\(count)", "--rate", "1gbit", "--", "bash", "-c", script],
      environment: ["scale": packagePath("launch/scale"), "output": folder.file("scaling")])
  }

  private struct Interval: Decodable {
    struct Traffic: Decodable { let exchange, statistics: Int }
    let traffic: Traffic?
  }

  @Test("launch/scale uses the hosts of the cluster, and reports that they are one machine")
  func report() throws {
    let result = try onHosts(
      3, "\"$scale\" --repeats 1 --output \"$output\" -- digits --steps 30 --layers 32")
    #expect(result.status == 0, "\(result.standardError)")
    #expect(result.standardOutput.contains("bitwise identical in 3 runs"))
    let cores = ProcessInfo.processInfo.processorCount
    #expect(
      result.standardOutput.contains("(node1, node2, node3) are one machine with") == (cores < 3))
    let page = folder.file("scaling/report.html")
    let runs = (1...3).map { folder.file("scaling/hosts-\($0)-repeat-1") }
    let check = try run("python3", [ScaleTests.checker, page] + runs)
    #expect(check.status == 0, "\(check.standardError)")
  }

  @Test("A run counts the bytes that its host's network interface sends")
  func traffic() throws {
    let bytes = "cat /sys/class/net/eth0/statistics/tx_bytes"
    let data = "synthetic:512x256x10 --layers 512,512 --steps 40"
    let result = try onHosts(
      2,
      "\(bytes); \"$scale\" --sizes 2 --repeats 1 --output \"$output\" -- \(data) >/dev/null; \(bytes)"
    )
    let counters = result.standardOutput.split(separator: "\n").compactMap { Int($0) }
    try #require(result.status == 0 && counters.count == 2, "\(result.standardError)")
    let carried = counters[1] - counters[0]
    let log = try folder.text(of: "scaling/hosts-2-repeat-1/timing.jsonl")
    let sent = try log.split(separator: "\n").reduce(0) { sum, line in
      let traffic = try JSONDecoder().decode(Interval.self, from: Data(line.utf8)).traffic
      return sum + (traffic.map { $0.exchange + $0.statistics } ?? 0)
    }
    // 400,000 parameters: gradients one way and parameters the other way, in 40 steps.
    #expect(sent > 60_000_000)
    // Headers, the launcher's own messages, and the run's start and end are added to that.
    #expect(carried > sent && carried < sent + sent / 50 + 1_000_000, "\(carried) for \(sent)")
  }
}
