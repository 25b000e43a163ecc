// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("Memory growth")
struct MemoryGrowthTests {
  private struct Line: Decodable {
    let totalRssMb: Double
  }

  /// The largest resident memory of all ranks together, in megabytes, of a run of `steps` steps.
  private func memory(ranks: Int, steps: Int) throws -> Double {
    let result = try mpirun(
      ranks: ranks, productURL(named: "lockstep").path,
      [
        "bench", "--widths", "64,64,10", "--batch", "32", "--warmup", "0", "--repeats", "1",
        "--steps", "\(steps)",
      ])
    #expect(result.status == 0, "\(result.standardError)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Line.self, from: Data(result.standardOutput.utf8)).totalRssMb
  }

  /// The smallest block of the allocator takes 32 bytes: one that leaks every second step makes
  /// 1.4 MB in 90,000 steps.
  @Test("100,000 steps need at most 1 MB per rank more than 10,000 steps", arguments: [1, 2])
  func growth(ranks: Int) throws {
    let few = try memory(ranks: ranks, steps: 10_000)
    let many = try memory(ranks: ranks, steps: 100_000)
    #expect(few > 5 * Double(ranks))
    #expect(many - few < Double(ranks), "\(few) MB after 10,000 steps, \(many) MB after 100,000")
  }
}

@Suite("Shared memory")
struct SharedMemoryTests {
  let runs: TrainingRuns

  init() throws { runs = try TrainingRuns() }

  /// Trains a network that needs 78 MB of shared memory on two ranks, after some shell commands.
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
        + ["--run", "\(runs.folder)/r"] + more)
  }

  @Test(
    "A network that needs 78 MB of shared memory trains where /dev/shm has 64 MB, as in containers",
    .enabled(if: canReplaceSharedMemory, "needs root and the right to mount"))
  func container() throws {
    let result = try train(
      ["unshare", "--mount", "bash", "-c"], after: "mount -t tmpfs -o size=64m tmpfs /dev/shm")
    #expect(result.status == 0, "\(result.standardError)")
  }

  @Test(
    "Too little shared memory is reported with status 69, and leaves no run directory"
  )
  func tooLittle() throws {
    let result = try train(after: "ulimit -f 65536")
    #expect(result.status == 69, "\(result.standardError)")
    #expect(result.standardError.split(separator: "\n").count == 1, "\(result.standardError)")
    for word in ["MB of shared memory", "File too large", "--transport messages"] {
      #expect(result.standardError.contains(word), "\(result.standardError)")
    }
    #expect(!FileManager.default.fileExists(atPath: "\(runs.folder)/r"))
  }

  @Test("A network that needs 78 MB of shared memory trains with --transport messages")
  func messages() throws {
    let result = try train(after: ":", ["--transport", "messages"])
    #expect(result.status == 0, "\(result.standardError)")
  }

  @Test("Data that do not fit into shared memory are kept by each rank, with a warning")
  func data() throws {
    let command = """
      ulimit -f 16384
      exec mpirun --quiet --allow-run-as-root --oversubscribe --bind-to none -n 2 "$@" </dev/null
      """
    let result = try run(
      "bash",
      ["-c", command, "bash", productURL(named: "lockstep").path, "train"]
        + ["synthetic:20000x256x2", "--layers", "8", "--steps", "1", "--run", "\(runs.folder)/d"])
    #expect(result.status == 0, "\(result.standardError)")
    #expect(result.standardError.contains("no shared memory for the data (19 MB)"))
  }
}

@Suite("Signal handlers")
struct SignalHandlerTests {
  /// oneDNN's kernels for these shapes keep the stack pointer in a buffer on the heap.
  @Test(
    "Signals during matrix products leave the heap intact, and the run stops in order"
  )
  func heap() throws {
    let folder = try TemporaryFolder()
    // Signals within 0.5 seconds are one request to stop; later ones would end the run at once.
    let script = """
      "$LOCKSTEP" train digits --layers 512,512,512,512 --batch 1438 --slices 45 --epochs 400 --run run --quiet & rank=$!
      until [ -e run/checkpoints/latest ] || ! kill -0 $rank; do sleep 0.01; done
      start=${EPOCHREALTIME/./}
      while ((${EPOCHREALTIME/./} - start < 250000)); do kill -USR1 $rank 2>/dev/null; sleep 0.001; done
      wait $rank
      """
    let lockstep = try productURL(named: "lockstep").path
    let result = try run(
      "bash", ["-c", script], environment: ["LOCKSTEP": lockstep], currentDirectory: folder.path)
    #expect(result.status == 143, "\(result)")
    #expect(
      result.standardError.wholeMatch(
        of: /lockstep: SIGTERM: stopped after step \d+ of 400; .* holds all state: .*\n/) != nil,
      "\(result.standardError)")
    let name = try folder.text(of: "run/checkpoints/latest")
      .trimmingCharacters(in: .whitespacesAndNewlines)
    let inspected = try run(
      lockstep, ["inspect", "run/checkpoints/\(name)"], currentDirectory: folder.path)
    #expect(inspected.status == 0, "\(inspected)")
  }
}
