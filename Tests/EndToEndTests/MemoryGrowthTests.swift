// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("Memory over many steps")
struct MemoryGrowthTests {
  private struct Line: Decodable {
    let totalRssMb: Double
  }

  /// The largest resident memory of all ranks together, in megabytes, after so many steps.
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

  /// The least block that the allocator hands out takes 32 bytes: one that is lost every second step
  /// makes 1.4 MB in 90,000 steps.
  @Test("100,000 steps take at most 1 MB a rank more than 10,000", arguments: [1, 2])
  func growth(ranks: Int) throws {
    let few = try memory(ranks: ranks, steps: 10_000)
    let many = try memory(ranks: ranks, steps: 100_000)
    #expect(few > 5 * Double(ranks))
    #expect(many - few < Double(ranks), "\(few) MB after 10,000 steps, \(many) MB after 100,000")
  }
}
