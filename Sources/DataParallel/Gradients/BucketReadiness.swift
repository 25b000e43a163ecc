// SPDX-License-Identifier: Apache-2.0

/// Which buckets of a step have gradients that are all final.
package struct BucketReadiness {
  private let buckets: [Range<Int>]
  private var isReady: [Bool]
  /// The first bucket that is not ready.
  private var first = 0

  /// - Parameter buckets: the elements of each, in descending order.
  package init(_ buckets: [Range<Int>]) {
    self.buckets = buckets
    isReady = Array(repeating: false, count: buckets.count)
  }

  /// Begins a step, in which nothing is final yet.
  package mutating func reset() {
    for bucket in buckets.indices { isReady[bucket] = false }
    first = 0
  }

  /// Takes note that the gradients of a part are final, whatever is around it.
  ///
  /// - Parameter start: is called with each bucket that is ready now and was not before.
  package mutating func take(_ part: Range<Int>, _ start: (Int) throws -> Void) rethrows {
    for bucket in first..<buckets.count where !isReady[bucket] {
      let elements = buckets[bucket]
      guard part.lowerBound <= elements.lowerBound, elements.upperBound <= part.upperBound else {
        continue
      }
      isReady[bucket] = true
      try start(bucket)
    }
    while first < buckets.count, isReady[first] { first += 1 }
  }
}
