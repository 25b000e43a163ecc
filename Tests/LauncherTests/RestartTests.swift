// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("Restarts after losses", .serialized)
struct RestartTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static func chaos(_ options: [String]) throws -> CommandResult {
    try runScript("Tests/LauncherTests/Scripts/chaos", options)
  }

  @Test(
    "A run that loses ranks and restarts on 4, 3, 2 and 1 ranks ends with the same bytes"
  )
  func ranks() throws {
    let result = try Self.chaos(["--losses", "4", "--steps", "1500"])
    #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
    #expect(result.standardOutput.contains("same bytes after 4 losses"))
  }

  @Test(
    "A run that restarts without its lost hosts ends with the same bytes",
    .enabled(if: canMakeHosts, "needs root, iproute2, openssh-server and network namespaces"))
  func hosts() throws {
    // The first loss is a link, which takes 25 seconds to be noticed.
    let result = try Self.chaos(["--losses", "3", "--steps", "1500", "--hosts", "2"])
    #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
    #expect(result.standardOutput.contains("same bytes after 3 losses"))
  }

  /// Runs a script in place of lockstep, which appends its arguments to the file `starts`.
  func launch(_ script: String, _ options: [String], _ arguments: [String]) throws -> CommandResult
  {
    let binary = try folder.writeScript(
      "program",
      """
      [ "$OMPI_COMM_WORLD_RANK" = 0 ] || exit 0
      echo "$LOCKSTEP_ATTEMPT: $*" >>starts
      \(script)
      """)
    return try runScript(
      "launch/run", ["-n", "1"] + options + ["--", "train", "digits"] + arguments,
      environment: ["LOCKSTEP_BINARY": binary], currentDirectory: folder.path)
  }

  var starts: [String] {
    (try? folder.text(of: "starts"))?.split(separator: "\n").map(String.init) ?? []
  }

  /// What an attempt leaves that writes a checkpoint.
  static let leaveCheckpoint = """
    mkdir -p r/checkpoints
    echo "{\\"launch\\":\\"$LOCKSTEP_LAUNCH\\"}" >>r/timing.jsonl
    touch r/checkpoints/step-00000000$LOCKSTEP_ATTEMPT.safetensors
    """

  @Test("A lost run is restarted as it was first, then with --resume, until it succeeds")
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

  @Test("launch/run gives up after --max-restarts restarts without a newer checkpoint")
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
    "A run whose exit status shows that restarting can't help is not restarted",
    arguments: [64, 65, 66, 73, 74, 76, 78, 130, 143] as [Int32])
  func notRetried(status: Int32) throws {
    let result = try launch("exit \(status)", ["--max-restarts", "5"], ["--run", "r"])
    #expect(result.status == status)
    #expect(starts.count == 1)
    #expect(result.standardError.isEmpty, "\(result.standardError)")
  }

  @Test("A run without --run is restarted in the directory that it was first given")
  func directory() throws {
    let result = try launch(
      "[ $LOCKSTEP_ATTEMPT = 2 ] || exit 75", ["--max-restarts", "1"], [])
    #expect(result.status == 0, "\(result.standardError)")
    let folders = starts.compactMap { $0.firstMatch(of: /--run (runs\/[0-9-]+-digits)$/)?.1 }
    #expect(folders.count == 2 && Set(folders).count == 1, "\(starts)")
  }

  @Test("launch/run refuses --max-restarts for commands other than train")
  func otherCommands() throws {
    let result = try runScript("launch/run", ["-n", "1", "--max-restarts", "1", "--", "true"])
    #expect(result.status == 64)
    #expect(result.standardError == "launch/run: --max-restarts requires the train command\n")
  }
}
