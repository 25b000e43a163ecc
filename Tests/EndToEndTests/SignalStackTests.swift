// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("Signals in the middle of a matrix product")
struct SignalStackTests {
  /// oneDNN's kernels for these shapes keep the stack pointer in a buffer on the heap.
  @Test("leave the heap alone: the run stops in order, with a checkpoint that is whole")
  func heap() throws {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    // Signals for 0.3 seconds are one wish to stop; later ones would end the run at once.
    let script = """
      "$LOCKSTEP" train digits --layers 512,512,512,512 --batch 1438 --slices 45 --epochs 400 --run run --quiet & rank=$!
      until [ -e run/checkpoints/latest ] || ! kill -0 $rank; do sleep 0.01; done
      start=${EPOCHREALTIME/./}
      while ((${EPOCHREALTIME/./} - start < 300000)); do kill -USR1 $rank 2>/dev/null; sleep 0.001; done
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
    let latest = folder.appendingPathComponent("run/checkpoints/latest")
    let name = try String(contentsOf: latest, encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    let inspected = try run(
      lockstep, ["inspect", "run/checkpoints/\(name)"], currentDirectory: folder.path)
    #expect(inspected.status == 0, "\(inspected)")
  }

  private func temporaryFolder() throws -> URL {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("lockstep-signals-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    return folder
  }
}
