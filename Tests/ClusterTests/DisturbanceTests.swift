// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// What became of a job in the middle of which something was done to it.
struct Disturbance {
  /// The launcher's exit status.
  let status: Int32
  /// What the job and the launcher said.
  let words: String
  /// What the script `disturb` tells, by name.
  let invariants: [String: String]

  init(_ action: String, _ options: [String] = []) throws {
    let script = packageRoot.appendingPathComponent("Tests/ClusterTests/Scripts/disturb").path
    let result = try run(
      script, [action] + options,
      environment: ["LOCKSTEP_BINARY": productURL(named: "lockstep").path], timeout: 120)
    var invariants: [String: String] = [:]
    for line in result.standardOutput.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1).map(String.init)
      invariants[parts[0]] = parts.last?.trimmingCharacters(in: .whitespaces)
    }
    self.invariants = invariants
    // Open MPI may add lines of its own about a process that has gone: [HOST:PID] and so on.
    words = result.standardError.split(separator: "\n").filter { !$0.hasPrefix("[") }
      .map { $0 + "\n" }.joined()
    status = invariants["status"].flatMap { Int32($0) } ?? -1
  }

  /// The step of the run's newest checkpoint.
  var step: Int? { invariants["checkpoint"].flatMap { Int($0.filter(\.isNumber)) } }
  /// Milliseconds from the deed to the end.
  var ended: Int? { invariants["ended"].flatMap { Int($0) } }
  /// Milliseconds from the deed to the report about missing ranks.
  var reported: Int? { invariants["reported"].flatMap { Int($0) } }
}

@Suite("A job that is disturbed", .serialized)
struct DisturbanceTests {
  @Test(
    "stops in order on a signal to the launcher, to a rank, or to mpirun, with all state kept",
    arguments: [
      ("term", 143, "SIGTERM"), ("int", 130, "SIGINT"), ("rank-term", 143, "SIGTERM"),
      ("rank-int", 130, "SIGINT"), ("mpirun-term", 143, "SIGTERM"),
    ] as [(String, Int32, String)])
  func signal(action: String, status: Int32, name: String) throws {
    let result = try Disturbance(action)
    #expect(result.status == status, "\(result)")
    let step = try #require(result.step)
    #expect(step > 0)
    #expect(result.words.hasPrefix("lockstep: \(name): stopped after step \(step) of "))
    #expect(result.words.hasSuffix("holds all state: go on with --resume\n"))
    #expect(result.words.split(separator: "\n").count == 1, "\(result.words)")
    #expect(result.invariants["completed"] == "false")
    #expect(result.invariants["left"] == "0")
  }

  @Test("ends on a signal at any moment of the launcher's start")
  func earlySignal() throws {
    let script = """
      for moment in 0.01 0.02 0.03 0.04 0.05 0.06 0.07 0.08 0.1 0.15; do
        "$1" -n 1 --bind none -- sleep 20 &
        sleep "$moment"
        kill -TERM $!
        status=0
        wait $! || status=$?
        echo "$status"
      done
      """
    let result = try run(
      "bash", ["-c", script, "bash", packageRoot.appendingPathComponent("launch/run").path],
      timeout: 60)
    #expect(result.standardOutput == String(repeating: "143\n", count: 10))
    #expect(result.standardError.isEmpty, "\(result.standardError)")
  }

  @Test("ends at once on a second signal", arguments: ["term-twice", "rank-term-twice"])
  func secondSignal(action: String) throws {
    let result = try Disturbance(action)
    #expect(result.status == 143, "\(result)")
    #expect(result.step == 0)
    #expect(result.invariants["left"] == "0")
  }

  @Test("ends everywhere with 75 when a rank or mpirun is killed, and says so in one line")
  func killed() throws {
    let rank = try Disturbance("rank-kill")
    #expect(rank.status == 75, "\(rank)")
    #expect(
      rank.words.wholeMatch(
        of: /launch\/run: rank 1 \([^)]+\) was ended by signal 9 \(Killed\)\n/) != nil,
      "\(rank.words)")
    #expect(rank.invariants["left"] == "0")
    let launcher = try Disturbance("mpirun-kill")
    #expect(launcher.status == 75, "\(launcher)")
    #expect(launcher.words == "launch/run: mpirun was ended by signal 9\n")
    #expect(launcher.invariants["left"] == "0")
  }

  @Test("stops in order when the launcher itself is killed")
  func launcherKilled() throws {
    let result = try Disturbance("kill")
    #expect(result.status == 137, "\(result)")
    #expect(try #require(result.step) > 0, "\(result)")
    #expect(result.invariants["left"] == "0")
  }

  @Test(
    "names a rank that is stopped, and ends with 75 and without it",
    arguments: [("stop-first", 0), ("stop-last", 2)])
  func stopped(action: String, rank: Int) throws {
    let result = try Disturbance(
      action, ["--stall-seconds", "2", "--stall-abort-seconds", "5"])
    #expect(result.status == 75, "\(result)")
    let lines = result.words.split(separator: "\n").map(String.init)
    try #require(lines.count == 2, "\(result.words)")
    #expect(
      lines[0].wholeMatch(
        of:
          /lockstep: rank (\d) \([^)]+\) has not reached the [a-z ]+ of step \d+ after 2 s; the job ends after 5 s/
      )?.1 == "\(rank)", "\(lines[0])")
    #expect(
      lines[1].firstMatch(of: /rank (\d) \([^)]+\) has not reached .* after 5 s: giving up/)?.1
        == "\(rank)", "\(lines[1])")
    // What is promised: 5 seconds after the one limit, 10 after the other.
    #expect(try #require(result.reported) < 7000)
    #expect(try #require(result.ended) < 15000)
    #expect(result.invariants["left"] == "0")
  }

  @Test("names a rank that is stopped while it predicts, and ends with 75")
  func stoppedPrediction() throws {
    let runs = try Runs()
    try runs.train("r", ranks: 1, ["digits", "--layers", "1024,1024", "--steps", "1"])
    // Rows are told block by block: after the first, rank 0 is in the middle of them.
    let script = """
      "$1" -n 2 --bind none -- predict "$2/r" synthetic:100000x64x10 \\
        --stall-seconds 2 --stall-abort-seconds 5 >"$2/rows" &
      launcher=$! folder=$2
      ranks() { pgrep -f "^[^ ]*lockstep predict $folder/r"; }
      until [ -s "$2/rows" ] || ! kill -0 "$launcher"; do sleep 0.01; done
      for process in $(ranks); do
        ! tr '\\0' '\\n' <"/proc/$process/environ" | grep -qx OMPI_COMM_WORLD_RANK=0 \\
          || kill -STOP "$process"
      done
      status=0
      wait "$launcher" || status=$?
      sleep 1
      ranks
      exit "$status"
      """
    let result = try run(
      "bash",
      ["-c", script, "bash", packageRoot.appendingPathComponent("launch/run").path, runs.folder],
      environment: ["LOCKSTEP_BINARY": productURL(named: "lockstep").path], timeout: 60)
    #expect(result.status == 75, "\(result)")
    let stall =
      /lockstep: rank 0 \([^)]+\) has not reached the evaluation after 2 s; the job ends after 5/
    #expect(result.standardError.firstMatch(of: stall) != nil, "\(result.standardError)")
    #expect(result.standardOutput.isEmpty, "left: \(result.standardOutput)")
  }

  @Test("is refused limits that can't be")
  func limits() throws {
    for (options, words) in [
      (["--stall-seconds", "0"], "--stall-seconds 0: must be 1 or more"),
      (["--stall-seconds", "60", "--stall-abort-seconds", "60"], "must be 62 or more"),
    ] {
      for command in [["train", "digits"], ["predict", "r", "digits"]] {
        let result = try run(productURL(named: "lockstep").path, command + options)
        #expect(result.status == 64)
        #expect(result.standardError.contains(words), "\(result.standardError)")
      }
    }
  }
}
