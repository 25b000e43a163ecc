// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite(
  "Failing disks", .serialized,
  .enabled(if: canMount, "needs root and the right to mount"))
struct DiskFailureTests {
  let runs: TrainingRuns
  static let options = [
    "digits", "--layers", "64,64", "--slices", "2", "--checkpoint-every", "10", "--quiet",
  ]

  init() throws { runs = try TrainingRuns() }

  private static func train(
    _ ranks: Int, _ folder: String, _ more: [String]
  ) throws -> CommandResult {
    try mpirun(
      ranks: ranks, productURL(named: "lockstep").path,
      ["train"] + options + ["--run", folder] + more, options: ["--quiet"])
  }

  /// Expects one line that names the last good checkpoint, which `inspect` accepts.
  private func check(_ result: CommandResult, _ run: String, _ words: String...) throws {
    #expect(result.status == 74, "\(result.status): \(result.standardError)")
    let lines = result.standardError.split(separator: "\n")
    #expect(lines.count == 1, "\(result.standardError)")
    for word in words { #expect(result.standardError.contains(word), "\(result.standardError)") }
    let match = try #require(
      result.standardError.firstMatch(of: /the last good checkpoint is (\S+):/))
    let inspect = try self.run(
      productURL(named: "lockstep").path, ["inspect", String(match.1)])
    #expect(inspect.status == 0, "\(inspect.standardError)")
  }

  private func run(_ program: String, _ arguments: [String]) throws -> CommandResult {
    try TestSupport.run(program, arguments)
  }

  @Test(
    "A full disk ends the run with status 74, and with free space it resumes to the same bits"
  )
  func full() throws {
    try runs.train("whole", ranks: 1, Self.options + ["--steps", "60"])
    let disk = runs.folder + "/disk"
    #expect(try run("mkdir", [disk]).status == 0)
    // A checkpoint takes 120 KB: the third or fourth finds no room.
    #expect(try run("mount", ["-t", "tmpfs", "-o", "size=400k", "tmpfs", disk]).status == 0)
    defer { _ = try? run("umount", [disk]) }
    let failed = try Self.train(2, disk + "/r", ["--steps", "60"])
    try check(failed, disk + "/r", "No space left on device", "continue with --resume")
    let names = try FileManager.default.contentsOfDirectory(atPath: disk + "/r/checkpoints")
    #expect(!names.contains { $0.hasSuffix(".partial") }, "\(names)")
    let again = try Self.train(1, disk + "/r", ["--steps", "60", "--resume"])
    #expect(again.status == 74, "\(again.standardError)")
    #expect(try run("mount", ["-o", "remount,size=20m", disk]).status == 0)
    let finished = try Self.train(2, disk + "/r", ["--steps", "60", "--resume"])
    #expect(finished.status == 0, "\(finished.standardError)")
    for name in ["metrics.jsonl", "checkpoints/step-000000060.safetensors"] {
      let path = URL(fileURLWithPath: "\(disk)/r/\(name)")
      #expect(try Data(contentsOf: path) == runs.file("whole", name), "\(name)")
    }
  }

  @Test(
    "A disk that becomes read-only ends the run with status 74 and names the last good checkpoint")
  func readOnly() throws {
    let run = runs.folder + "/r"
    let checkpoints = run + "/checkpoints"
    let training = Background { try Self.train(2, run, ["--steps", "5000000"]) }
    try waitFor(checkpoints + "/step-000000010.safetensors")
    #expect(try self.run("mount", ["--bind", checkpoints, checkpoints]).status == 0)
    defer { _ = try? self.run("umount", [checkpoints]) }
    #expect(try self.run("mount", ["-o", "remount,ro,bind", checkpoints]).status == 0)
    try check(try training.value(), run, "Read-only file system")
  }

  @Test("A checkpoint folder that loses its write permission ends the run with status 74")
  func noPermission() throws {
    // Root may write anywhere, so the job runs as another user, with all files in one folder.
    let user = "54321"
    let binary = runs.folder + "/lockstep"
    let checkpoints = runs.folder + "/r/checkpoints"
    #expect(try run("cp", [productURL(named: "lockstep").path, binary]).status == 0)
    #expect(try run("chown", ["-R", user, runs.folder]).status == 0)
    let arguments =
      ["--reuid", user, "--regid", user, "--clear-groups"]
      + ["mpirun", "--quiet", "--oversubscribe", "--bind-to", "none"]
      + ["--mca", "mpi_yield_when_idle", "1", "-n", "2", binary, "train"]
      + Self.options + ["--run", runs.folder + "/r", "--steps", "5000000"]
    let environment = ["HOME": runs.folder, "TMPDIR": runs.folder]
    let training = Background {
      try TestSupport.run("setpriv", arguments, environment: environment)
    }
    try waitFor(checkpoints + "/step-000000010.safetensors")
    #expect(try run("chmod", ["500", checkpoints]).status == 0)
    try check(try training.value(), runs.folder + "/r", "Permission denied")
  }

  @Test("A run directory that is removed ends the run with status 74 and is not recreated")
  func vanished() throws {
    let run = runs.folder + "/r"
    let training = Background { try Self.train(2, run, ["--steps", "5000000"]) }
    try waitFor(run + "/checkpoints/step-000000010.safetensors")
    // The run may create files while the folder is being emptied.
    while try self.run("rm", ["-rf", run]).status != 0 {}
    let result = try training.value()
    #expect(result.status == 74, "\(result.status): \(result.standardError)")
    #expect(result.standardError.split(separator: "\n").count == 1, "\(result.standardError)")
    #expect(result.standardError.contains("No such file or directory"))
    #expect(!FileManager.default.fileExists(atPath: run))
  }

  private func waitFor(_ path: String) throws {
    try wait(until: "\(path) exists") { FileManager.default.fileExists(atPath: path) }
  }
}
