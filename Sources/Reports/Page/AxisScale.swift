// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// How an axis of a chart goes: its ends, whether it is logarithmic, and where it is labeled.
struct AxisScale {
  /// The labeled values, ascending.
  let ticks: [Double]
  private let least, greatest: Double
  private let isLogarithmic: Bool

  /// An axis on which all of the values have a place; those that are not finite don't count.
  ///
  /// - Parameter isLogarithmic: holds only if all values are above 0.
  init(holding values: [Double], isLogarithmic: Bool = false, includingZero: Bool = false) {
    let finite = values.filter { $0.isFinite && abs($0) < 1e300 }
    var (least, greatest) = (finite.min() ?? 0, finite.max() ?? 1)
    self.isLogarithmic = isLogarithmic && least > 1e-300
    if self.isLogarithmic {
      let (low, high) = Self.apart(log10(least), log10(greatest))
      (least, greatest) = (low - (high - low) * 0.03, high + (high - low) * 0.03)
      ticks = Self.logarithmicTicks(least, greatest)
    } else {
      if includingZero { (least, greatest) = (min(least, 0), max(greatest, 0)) }
      (least, greatest) = Self.apart(least, greatest)
      ticks = Self.ticks(least, greatest)
    }
    (self.least, self.greatest) = (least, greatest)
  }

  /// An axis that ends at two values, and is labeled where it is told to.
  init(from least: Double, to greatest: Double, ticks: [Double]) {
    (self.least, self.greatest) = (least, greatest)
    self.ticks = ticks
    isLogarithmic = false
  }

  /// Where a value lies, 0 at the beginning of the axis and 1 at its end; nil for none.
  func position(of value: Double) -> Double? {
    guard value.isFinite, !isLogarithmic || value > 0 else { return nil }
    let place = ((isLogarithmic ? log10(value) : value) - least) / (greatest - least)
    return place.isFinite && (-0.01...1.01).contains(place) ? place : nil
  }

  private static func apart(_ least: Double, _ greatest: Double) -> (Double, Double) {
    guard greatest - least <= abs(greatest) * 1e-9 else { return (least, greatest) }
    let room = greatest == 0 ? 1 : abs(greatest) * 0.1
    return (least - room, greatest + room)
  }

  /// Multiples of 1, 2 or 5 times a power of ten, four to nine of them.
  private static func ticks(_ least: Double, _ greatest: Double) -> [Double] {
    let rough = (greatest - least) / 5
    let power = pow(10, floor(log10(rough)))
    let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough * 0.999 } ?? rough
    guard step > 0, step.isFinite else { return [] }
    let first = (least / step - 1e-9).rounded(.up)
    return (0..<12).map { (first + Double($0)) * step }.filter { $0 <= greatest + step * 1e-9 }
  }

  /// Powers of ten, and where they are few also twice and five times them.
  private static func logarithmicTicks(_ least: Double, _ greatest: Double) -> [Double] {
    let decades = greatest - least
    let stride = max(1, Int((decades / 6).rounded(.up)))
    let factors: [Double] = decades > 2 ? [1] : [1, 2, 5]
    var ticks: [Double] = []
    let first = Int(least.rounded(.down))
    for exponent in first...max(first, Int(greatest.rounded(.up))) where exponent % stride == 0 {
      ticks += factors.map { $0 * pow(10, Double(exponent)) }
    }
    let shown = ticks.filter { log10($0) >= least && log10($0) <= greatest }
    // Within less than a factor of two even those may be missing.
    return shown.count >= 2
      ? shown
      : Self.ticks(pow(10, least), pow(10, greatest)).filter { $0 > 0 }
  }
}
