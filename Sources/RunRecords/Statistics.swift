// SPDX-License-Identifier: Apache-2.0

/// The median and the range of several measurements of the same quantity.
public struct Spread: Encodable, Equatable, Sendable {
  /// The middle value; the mean of the two middle ones of an even number.
  public let median: Double
  /// The smallest and the largest value.
  public let minimum, maximum: Double

  /// Summarizes the finite ones of some values; nil if there are none.
  public init?(_ values: some Sequence<Double?>) {
    let sorted = values.compactMap { $0?.ifFinite }.sorted()
    guard let first = sorted.first, let last = sorted.last else { return nil }
    let middle = sorted.count / 2
    // Halving first keeps the sum of two large values in range.
    median = sorted.count % 2 == 1 ? sorted[middle] : sorted[middle - 1] / 2 + sorted[middle] / 2
    (minimum, maximum) = (first, last)
  }

  private enum CodingKeys: String, CodingKey {
    case median
    case minimum = "least"
    case maximum = "greatest"
  }
}

extension Double {
  /// The number, or nil for infinity and NaN, for which JSON has no form.
  package var ifFinite: Double? { isFinite ? self : nil }
}
