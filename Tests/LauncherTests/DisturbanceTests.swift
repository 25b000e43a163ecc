// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// How a job ended into which the script `disturb` injected a fault.
private struct Disturbance {
  /// The launcher's exit status.
  let status: Int32
  /// What the job and the launcher printed.
  let messages: String
  /// The values that the script prints, by name.
  let values: [String: String]

  init(_ action: String, _ options: [String] = []) throws {
    let result = try runScript("Tests/LauncherTests/Scripts/disturb", [action] + options)
    var values: [String: String] = [:]
    for line in result.standardOutput.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1).map(String.init)
      values[parts[0]] = parts.last?.trimmingCharacters(in: .whitespaces)
    }
    self.values = values
    // Open MPI may add its own lines about a process that is gone: [HOST:PID] and so on.
    messages = result.standardError.split(separator: "\n").filter { !$0.hasPrefix("[") }
      .map { $0 + "\n" }.joined()
    status = values["status"].flatMap { Int32($0) } ?? -1
  }

  /// The step of the run's newest checkpoint.
  var step: Int? { values["checkpoint"].flatMap { Int($0.filter(\.isNumber)) } }
  /// Milliseconds from the fault to the end.
  var ended: Int? { values["ended"].flatMap { Int($0) } }
  /// Milliseconds from the fault to the report about missing ranks.
  var reported: Int? { values["reported"].flatMap { Int($0) } }
}

@Suite("Signals and lost processes", .serialized)
struct DisturbanceTests {
  @Test(
    "A job stops in order and saves all state on a signal to the launcher, to a rank or to mpirun",
    arguments: [
      ("term", 143, "SIGTERM"), ("int", 130, "SIGINT"), ("rank-term", 143, "SIGTERM"),
      ("rank-int", 130, "SIGINT"), ("mpirun-term", 143, "SIGTERM"),
    ] as [(String, Int32, String)])
  func signal(action: String, status: Int32, name: String) throws {
    let result = try Disturbance(action)
    #expect(result.status == status, "\(result)")
    let step = try #require(result.step)
    #expect(step > 0)
    #expect(result.messages.hasPrefix("lockstep: \(name): stopped after step \(step) of "))
    #expect(result.messages.hasSuffix("holds all state: continue with --resume\n"))
    #expect(result.messages.split(separator: "\n").count == 1, "\(result.messages)")
    #expect(result.values["completed"] == "false")
    #expect(result.values["left"] == "0")
  }

  @Test("launch/run ends on a signal at any moment of its start")
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
      "bash", ["-c", script, "bash", packagePath("launch/run")])
    #expect(result.standardOutput == String(repeating: "143\n", count: 10))
    #expect(result.standardError.isEmpty, "\(result.standardError)")
  }

  @Test(
    "A second signal ends a job at once, without a checkpoint",
    arguments: ["term-twice", "rank-term-twice"])
  func secondSignal(action: String) throws {
    let result = try Disturbance(action)
    #expect(result.status == 143, "\(result)")
    #expect(result.step == 0)
    #expect(result.values["left"] == "0")
  }

  @Test(
    "A job ends on all ranks with status 75 and one line when a rank or mpirun is killed"
  )
  func killed() throws {
    let rank = try Disturbance("rank-kill")
    #expect(rank.status == 75, "\(rank)")
    #expect(
      rank.messages.wholeMatch(
        of: /launch\/run: rank 1 \([^)]+\) was killed by signal 9 \(Killed\)\n/) != nil,
      "\(rank.messages)")
    #expect(rank.values["left"] == "0")
    let launcher = try Disturbance("mpirun-kill")
    #expect(launcher.status == 75, "\(launcher)")
    #expect(launcher.messages == "launch/run: mpirun was killed by signal 9\n")
    #expect(launcher.values["left"] == "0")
  }

  @Test("A job stops in order when the launcher itself is killed")
  func launcherKilled() throws {
    let result = try Disturbance("kill")
    #expect(result.status == 137, "\(result)")
    #expect(try #require(result.step) > 0, "\(result)")
    #expect(result.values["left"] == "0")
  }

  @Test(
    "A rank that hangs is named, and the job ends with status 75",
    arguments: [("stop-first", 0), ("stop-last", 2)])
  func hanging(action: String, rank: Int) throws {
    let result = try Disturbance(
      action, ["--stall-seconds", "2", "--stall-abort-seconds", "5"])
    #expect(result.status == 75, "\(result)")
    let lines = result.messages.split(separator: "\n").map(String.init)
    try #require(lines.count == 2, "\(result.messages)")
    #expect(
      lines[0].wholeMatch(
        of:
          /lockstep: rank (\d) \([^)]+\) has not reached the [a-z ]+ of step \d+ after 2 s; the job ends after 5 s/
      )?.1 == "\(rank)", "\(lines[0])")
    #expect(
      lines[1].firstMatch(of: /rank (\d) \([^)]+\) has not reached .* after 5 s: giving up/)?.1
        == "\(rank)", "\(lines[1])")
    // How long after the limits depends on the machine.
    #expect(try #require(result.reported) <= #require(result.ended))
    #expect(result.values["left"] == "0")
  }

  @Test("A rank that hangs in predict is named, and the job ends with status 75")
  func hangingPrediction() throws {
    let runs = try TrainingRuns()
    try runs.train("r", ranks: 1, ["digits", "--layers", "1024,1024", "--steps", "1"])
    // Rows are written block by block: after the first block, rank 0 is in the middle of them.
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
      for i in $(seq 600); do ranks >/dev/null || break; sleep 0.1; done
      ranks
      exit "$status"
      """
    let result = try run(
      "bash",
      ["-c", script, "bash", packagePath("launch/run"), runs.folder],
      environment: ["LOCKSTEP_BINARY": productURL(named: "lockstep").path])
    #expect(result.status == 75, "\(result)")
    #expect(
      result.standardError.firstMatch(
        of:
          /lockstep: rank 0 \([^)]+\) has not reached the evaluation after 2 s; the job ends after 5/
      )
        != nil, "\(result.standardError)")
    #expect(result.standardOutput.isEmpty, "left: \(result.standardOutput)")
  }

  @Test("Stall limits that are too short, or too close to each other, are refused")
  func limits() throws {
    for (options, messages) in [
      (["--stall-seconds", "0"], "--stall-seconds 0: must be 1 or more"),
      (["--stall-seconds", "60", "--stall-abort-seconds", "60"], "must be 62 or more"),
    ] {
      for command in [["train", "digits"], ["predict", "r", "digits"]] {
        let result = try run(productURL(named: "lockstep").path, command + options)
        #expect(result.status == 64)
        #expect(result.standardError.contains(messages), "\(result.standardError)")
      }
    }
  }
}
