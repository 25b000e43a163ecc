// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// Whether this machine lets a test have a /dev/shm of its own.
private let canUnshare: Bool =
  geteuid() == 0
  && (try? run("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"]))?.status == 0

@Suite(
  "A machine with as little shared memory as a container has", .timeLimit(.minutes(10)),
  .enabled(if: canUnshare, "needs root and the right to mount"))
struct SharedMemoryTests {
  let runs: Runs

  init() throws { runs = try Runs() }

  /// Trains on two ranks with 64 MB of shared memory, for a network that needs 78 MB.
  private func train(_ more: [String]) throws -> CommandResult {
    let script = """
      mount -t tmpfs -o size=64m tmpfs /dev/shm
      exec mpirun --quiet --allow-run-as-root --oversubscribe --bind-to none -n 2 "$@" </dev/null
      """
    return try run(
      "unshare",
      ["--mount", "bash", "-c", script, "bash", productURL(named: "lockstep").path, "train"]
        + ["digits", "--layers", "3072,2048", "--steps", "1", "--quiet"]
        + ["--run", "\(runs.folder)/r"] + more, timeout: 300)
  }

  @Test("is told how much was wanted and what to do, with status 69, and leaves no run")
  func tooLittle() throws {
    let result = try train([])
    #expect(result.status == 69, "\(result.standardError)")
    #expect(result.standardError.split(separator: "\n").count == 1, "\(result.standardError)")
    for word in ["MB of shared memory in /dev/shm", "No space left", "--transport messages"] {
      #expect(result.standardError.contains(word), "\(result.standardError)")
    }
    #expect(!FileManager.default.fileExists(atPath: "\(runs.folder)/r"))
  }

  @Test("trains by messages when asked to")
  func messages() throws {
    let result = try train(["--transport", "messages"])
    #expect(result.status == 0, "\(result.standardError)")
  }
}
