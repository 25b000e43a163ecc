// SPDX-License-Identifier: Apache-2.0
import MessagePassing
import Testing

@Suite("BlockLayout")
struct BlockLayoutTests {
  @Test("without offsets, a block layout places blocks one after another")
  func contiguous() throws {
    let layout = try BlockLayout(counts: [3, 0, 5])
    #expect(layout.ranks == 3)
    #expect(layout.extent == 8)
    #expect((0..<3).map { layout[$0] } == [0..<3, 3..<3, 3..<8])
  }

  @Test("a block layout accepts offsets in any order and ignores empty blocks")
  func offsets() throws {
    let layout = try BlockLayout(counts: [2, 0, 1], offsets: [7, 100, 3])
    #expect(layout.extent == 9)
    #expect(layout[2] == 3..<4)
    #expect(try BlockLayout(counts: []).extent == 0)
  }

  @Test(
    "a block layout rejects counts and offsets that MPI can't represent",
    arguments: [
      ([-1], [0]), ([1], [-1]), ([1, 2], [0]), ([Int(Int32.max)], [1]), ([Int.max], [0]),
      ([1], [Int.max]),
    ])
  func refused(counts: [Int], offsets: [Int]) {
    #expect(throws: MPIError.self) { try BlockLayout(counts: counts, offsets: offsets) }
  }

  @Test("a block layout rejects counts whose sum MPI can't represent")
  func sum() {
    #expect(throws: MPIError.self) { try BlockLayout(counts: [1 << 30, 1 << 30, 1]) }
    #expect(throws: MPIError.self) { try BlockLayout(counts: [Int.max, Int.max, 3]) }
  }
}
