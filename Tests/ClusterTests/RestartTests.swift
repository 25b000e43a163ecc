// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("A run that is restarted after losses", .serialized)
struct RestartTests {
  let runs: Runs

  init() throws { runs = try Runs() }

  static func chaos(_ options: [String]) throws -> CommandResult {
    try run(
      packageRoot.appendingPathComponent("Tests/ClusterTests/Scripts/chaos").path, options,
      environment: ["LOCKSTEP_BINARY": productURL(named: "lockstep").path], timeout: 240)
  }

  @Test("on 4, 3, 2 and 1 ranks has the bytes of one that nothing befell")
  func ranks() throws {
    let result = try Self.chaos(["--losses", "4", "--steps", "600"])
    #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
    #expect(result.standardOutput.contains("same bytes after 4 losses"))
  }

  @Test(
    "without the hosts that were lost has them too",
    .enabled(if: canMakeHosts, "needs root, iproute2, openssh-server and network namespaces"))
  func hosts() throws {
    // The first loss is a link, which takes 25 seconds to be missed.
    let result = try Self.chaos(["--losses", "3", "--steps", "500", "--hosts", "2"])
    #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
    #expect(result.standardOutput.contains("same bytes after 3 losses"))
  }

  /// Starts a program in place of lockstep, which notes its arguments in the file `starts`.
  func launch(_ script: String, _ options: [String], _ arguments: [String]) throws -> CommandResult
  {
    let binary = "\(runs.folder)/program"
    try
      "#!/bin/bash\n[ \"$OMPI_COMM_WORLD_RANK\" = 0 ] || exit 0\necho \"$LOCKSTEP_ATTEMPT: $*\" >>starts\n\(script)\n"
      .write(toFile: binary, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: binary)
    return try run(
      packageRoot.appendingPathComponent("launch/run").path,
      ["-n", "1"] + options + ["--", "train", "digits"] + arguments,
      environment: ["LOCKSTEP_BINARY": binary], currentDirectory: runs.folder, timeout: 100)
  }

  var starts: [String] {
    let text = try? String(contentsOfFile: "\(runs.folder)/starts", encoding: .utf8)
    return text?.split(separator: "\n").map(String.init) ?? []
  }

  /// What a start leaves that got as far as a checkpoint.
  static let leaveCheckpoint = """
    mkdir -p r/checkpoints
    echo "{\\"launch\\":\\"$LOCKSTEP_LAUNCH\\"}" >>r/timing.jsonl
    touch r/checkpoints/step-00000000$LOCKSTEP_ATTEMPT.safetensors
    """

  @Test("starts as at first, then goes on with --resume, and is done when all went well")
  func arguments() throws {
    let result = try launch(
      "[ $LOCKSTEP_ATTEMPT -gt 1 ] && \(Self.leaveCheckpoint)\n[ $LOCKSTEP_ATTEMPT = 4 ] || kill -9 $$",
      ["--max-restarts", "2"], ["--overwrite", "--run", "r"])
    #expect(result.status == 0, "\(result.standardError)")
    #expect(
      starts == [
        "1: train digits --overwrite --run r", "2: train digits --overwrite --run r",
        "3: train digits --run r --resume", "4: train digits --run r --resume",
      ])
    #expect(result.standardError.contains("restart 1: on 1 ranks, from the start\n"))
    #expect(
      result.standardError.contains("restart 3: on 1 ranks, from the checkpoint of step 3\n"))
  }

  @Test("gives up after so many restarts without a newer checkpoint")
  func noProgress() throws {
    let result = try launch("exit 75", ["--max-restarts", "2"], ["--run", "r"])
    #expect(result.status == 75)
    #expect(starts.count == 3)
    #expect(
      result.standardError.hasSuffix(
        "launch/run: giving up: 2 restarts without progress beyond the start\n"),
      "\(result.standardError)")
  }

  @Test(
    "is not tried again where that can't help",
    arguments: [64, 65, 66, 73, 74, 76, 78, 130, 143] as [Int32])
  func notRetried(status: Int32) throws {
    let result = try launch("exit \(status)", ["--max-restarts", "5"], ["--run", "r"])
    #expect(result.status == status)
    #expect(starts.count == 1)
    #expect(result.standardError.isEmpty, "\(result.standardError)")
  }

  @Test("has a directory of its own name if none was given, and keeps it")
  func directory() throws {
    let result = try launch(
      "[ $LOCKSTEP_ATTEMPT = 2 ] || exit 75", ["--max-restarts", "1"], [])
    #expect(result.status == 0, "\(result.standardError)")
    let folders = starts.compactMap { $0.firstMatch(of: /--run (runs\/[0-9-]+-digits)$/)?.1 }
    #expect(folders.count == 2 && Set(folders).count == 1, "\(starts)")
  }

  @Test("is for training only")
  func otherCommands() throws {
    let result = try run(
      packageRoot.appendingPathComponent("launch/run").path,
      ["-n", "1", "--max-restarts", "1", "--", "true"])
    #expect(result.status == 64)
    #expect(result.standardError == "launch/run: --max-restarts requires the train command\n")
  }
}
