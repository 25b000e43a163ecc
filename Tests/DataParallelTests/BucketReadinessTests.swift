// SPDX-License-Identifier: Apache-2.0
import DataParallel
import Testing

@Suite("Which buckets are ready")
struct BucketReadinessTests {
  @Test(
    "those within a part that is final, each once",
    arguments: [
      ([35..<Int.max, 12..<Int.max, 0..<Int.max, 0..<Int.max], [0, 1, 2, 3]),
      ([5..<19, 5..<25, 35..<Int.max, 5..<Int.max, 0..<Int.max], [2, 0, 1, 3]),
    ])
  func parts(parts: [Range<Int>], expected: [Int]) {
    var readiness = BucketReadiness([30..<40, 20..<30, 10..<20, 0..<10])
    // A new step begins with none.
    for _ in 0..<2 {
      var found: [Int] = []
      for part in parts { readiness.take(part) { found.append($0) } }
      #expect(found == expected)
      readiness.reset()
    }
  }
}
