// SPDX-License-Identifier: Apache-2.0
internal import RunRecords

/// Several measurements of the same: their median, and how far they reach.
public struct Spread: Encodable, Equatable, Sendable {
  /// The middle one; the mean of two where there is none.
  public let median: Double
  /// The least and the greatest.
  public let least, greatest: Double

  /// Sums measurements up; nil if none is a number.
  init?(_ values: [Double?]) {
    let sorted = values.compactMap { $0 }.filter(\.isFinite).sorted()
    guard let first = sorted.first, let last = sorted.last else { return nil }
    let middle = sorted.count / 2
    median = sorted.count % 2 == 1 ? sorted[middle] : sorted[middle - 1] / 2 + sorted[middle] / 2
    (least, greatest) = (first, last)
  }
}
