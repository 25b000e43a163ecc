// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("A network that needs 78 MB of shared memory")
struct SharedMemoryTests {
  let runs: Runs

  init() throws { runs = try Runs() }

  /// Trains on two ranks after some shell commands.
  private func train(
    _ command: [String] = ["bash", "-c"], after script: String, _ more: [String] = []
  ) throws -> CommandResult {
    let start = """
      \(script)
      exec mpirun --quiet --allow-run-as-root --oversubscribe --bind-to none -n 2 "$@" </dev/null
      """
    return try run(
      command[0],
      command.dropFirst() + [start, "bash", productURL(named: "lockstep").path, "train"]
        + ["digits", "--layers", "3072,2048", "--steps", "1", "--quiet"]
        + ["--run", "\(runs.folder)/r"] + more, timeout: 300)
  }

  @Test(
    "trains where /dev/shm is as small as in a container",
    .enabled(if: canReplaceSharedMemory, "needs root and the right to mount"))
  func container() throws {
    let result = try train(
      ["unshare", "--mount", "bash", "-c"], after: "mount -t tmpfs -o size=64m tmpfs /dev/shm")
    #expect(result.status == 0, "\(result.standardError)")
  }

  @Test("is refused where there is less, with what was wanted, status 69, and no run")
  func tooLittle() throws {
    let result = try train(after: "ulimit -f 65536")
    #expect(result.status == 69, "\(result.standardError)")
    #expect(result.standardError.split(separator: "\n").count == 1, "\(result.standardError)")
    for word in ["MB of shared memory", "File too large", "--transport messages"] {
      #expect(result.standardError.contains(word), "\(result.standardError)")
    }
    #expect(!FileManager.default.fileExists(atPath: "\(runs.folder)/r"))
  }

  @Test("trains by messages")
  func messages() throws {
    let result = try train(after: ":", ["--transport", "messages"])
    #expect(result.status == 0, "\(result.standardError)")
  }

  @Test("says where data don't fit, and keeps them in each rank")
  func data() throws {
    let command = """
      ulimit -f 16384
      exec mpirun --quiet --allow-run-as-root --oversubscribe --bind-to none -n 2 "$@" </dev/null
      """
    let result = try run(
      "bash",
      ["-c", command, "bash", productURL(named: "lockstep").path, "train"]
        + ["synthetic:20000x256x2", "--layers", "8", "--steps", "1", "--run", "\(runs.folder)/d"],
      timeout: 300)
    #expect(result.status == 0, "\(result.standardError)")
    #expect(result.standardError.contains("no shared memory for the data (19 MB)"))
  }
}
