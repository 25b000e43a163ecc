// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// Numbers as people read them; always with a point for decimals and commas for thousands.
enum Readable {
  /// A whole number with a comma every three digits.
  static func count(_ number: Int) -> String {
    let digits = Array(String(number.magnitude))
    var text = number < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text += "," }
      text.append(digit)
    }
    return text
  }

  /// A rate: whole with commas, or with decimals where it is small.
  static func rate(_ number: Double) -> String {
    guard let whole = Int(exactly: number.rounded()) else { return "?" }
    return whole < 10 ? decimals(number, 1) : count(whole)
  }

  /// A loss: four decimals, or an exponent where they would show too little or too much.
  static func loss(_ number: Double) -> String {
    guard number.isFinite else { return number.isNaN ? "NaN" : "infinite" }
    let size = abs(number)
    return size == 0 || (0.001..<100_000).contains(size)
      ? decimals(number, 4) : String(format: "%.3e", number)
  }

  /// A fraction as a percentage, such as `97.1 %`.
  static func percentage(_ fraction: Double) -> String {
    fraction.isFinite ? decimals(fraction * 100, 1) + " %" : "?"
  }

  /// A time as `m:ss` or `h:mm:ss`.
  static func time(_ seconds: Double) -> String {
    guard seconds >= 0, let whole = Int(exactly: seconds.rounded()) else { return "-:--" }
    let tail = String(format: "%02d", whole % 60)
    guard whole >= 3600 else { return "\(whole / 60):\(tail)" }
    return "\(whole / 3600):" + String(format: "%02d", whole / 60 % 60) + ":\(tail)"
  }

  /// A text without line breaks and other control characters.
  static func oneLine(_ text: String) -> String {
    String(
      text.unicodeScalars.map { scalar in
        scalar.properties.generalCategory == .control ? " " : Character(scalar)
      })
  }

  private static func decimals(_ number: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", number)
  }
}
