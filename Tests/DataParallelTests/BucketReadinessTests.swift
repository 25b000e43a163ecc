import DataParallel
// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Which buckets are ready")
struct BucketReadinessTests {
  private func taken(_ body: (inout BucketReadiness, (Int) -> Void) -> Void) -> [Int] {
    var readiness = BucketReadiness([30..<40, 20..<30, 10..<20, 0..<10])
    var found: [Int] = []
    body(&readiness) { found.append($0) }
    return found
  }

  @Test("all from a span on, each once")
  func spans() {
    let found = taken { readiness, start in
      readiness.take(35..<38, start)
      readiness.take(12..<35, start)
      readiness.take(0..<12, start)
      readiness.take(0..<12, start)
    }
    #expect(found == [0, 1, 2, 3])
  }

  @Test("those within a part, before the ones that come first, and not again with the rest")
  func parts() {
    let found = taken { readiness, start in
      readiness.take(part: 5..<19, start)
      readiness.take(part: 5..<25, start)
      readiness.take(35..<40, start)
      readiness.take(5..<35, start)
      readiness.take(0..<5, start)
    }
    #expect(found == [2, 0, 1, 3])
  }

  @Test("none in a new step")
  func reset() {
    let found = taken { readiness, start in
      readiness.take(0..<40, start)
      readiness.reset()
      readiness.take(part: 10..<40, start)
    }
    #expect(found == [0, 1, 2, 3, 0, 1, 2])
  }
}
