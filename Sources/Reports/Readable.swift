// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// Numbers as text for people, in any locale with a decimal point and commas for thousands.
package enum Readable {
  /// An integer with a comma every three digits.
  package static func count(_ number: Int) -> String {
    let digits = Array(String(number.magnitude))
    var text = number < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text += "," }
      text.append(digit)
    }
    return text
  }

  /// A rate: an integer with commas, or with a decimal if it is below 10.
  package static func rate(_ number: Double) -> String {
    guard let whole = Int(exactly: number.rounded()) else { return "?" }
    return whole < 10 ? decimals(number, 1) : count(whole)
  }

  /// A loss with four decimals, or with an exponent if it is very small or very large.
  package static func loss(_ number: Double) -> String {
    guard number.isFinite else { return number.isNaN ? "NaN" : "infinite" }
    let size = abs(number)
    return size == 0 || (0.001..<100_000).contains(size)
      ? decimals(number, 4) : String(format: "%.3e", number)
  }

  /// A number with five significant digits, without an exponent where it is of usual size.
  package static func significant(_ number: Double) -> String {
    guard number.isFinite else { return "?" }
    let size = abs(number)
    guard size == 0 || (0.0001..<1e12).contains(size) else {
      return String(format: "%.4e", number)
    }
    let digits = size == 0 ? 0 : Int(log10(size).rounded(.down))
    return decimals(number, max(4 - digits, 0))
  }

  /// A fraction as a percentage, such as `97.1 %`.
  package static func percentage(_ fraction: Double) -> String {
    fraction.isFinite ? decimals(fraction * 100, 1) + " %" : "?"
  }

  /// A fraction as a percentage with two decimals, such as `97.14 %`.
  package static func preciselyPercentage(_ fraction: Double) -> String {
    fraction.isFinite ? decimals(fraction * 100, 2) + " %" : "?"
  }

  /// A time as `m:ss` or `h:mm:ss`.
  static func time(_ seconds: Double) -> String {
    guard seconds >= 0, let whole = Int(exactly: seconds.rounded()) else { return "-:--" }
    let tail = String(format: "%02d", whole % 60)
    guard whole >= 3600 else { return "\(whole / 60):\(tail)" }
    return "\(whole / 3600):" + String(format: "%02d", whole / 60 % 60) + ":\(tail)"
  }

  /// A text with line breaks and other control characters replaced by spaces.
  package static func oneLine(_ text: String) -> String {
    String(
      text.unicodeScalars.map { scalar in
        scalar.properties.generalCategory == .control ? " " : Character(scalar)
      })
  }

  /// A number of any size in a few characters, for an axis: `0.05`, `128`, `12k`, `1e-07`.
  static func short(_ number: Double) -> String {
    guard number.isFinite else { return "?" }
    switch abs(number) {
    case 0: return "0"
    case 1e9...: return String(format: "%.3g", number)
    case 1e6...: return String(format: "%.4gM", number / 1e6)
    case 1e4...: return String(format: "%.4gk", number / 1e3)
    default: return String(format: "%.4g", number)
    }
  }

  /// A duration with three significant digits: `21.4 us`, `3.05 ms`, `12.3 s`, and from ten minutes
  /// as ``time(_:)``.
  package static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0 else { return "?" }
    switch seconds {
    case 600...: return time(seconds)
    case 1...: return threeDigits(seconds) + " s"
    case 1e-3...: return threeDigits(seconds * 1e3) + " ms"
    default: return threeDigits(seconds * 1e6) + " us"
    }
  }

  /// A number of bytes with three significant digits: `512 B`, `38.4 kB`, `1.28 MB`.
  package static func bytes(_ count: Double) -> String {
    guard count.isFinite else { return "?" }
    switch abs(count) {
    case 1e9...: return threeDigits(count / 1e9) + " GB"
    case 1e6...: return threeDigits(count / 1e6) + " MB"
    case 1e3...: return threeDigits(count / 1e3) + " kB"
    default: return threeDigits(count) + " B"
    }
  }

  /// A factor with two decimals, such as a speed-up.
  package static func factor(_ number: Double) -> String {
    number.isFinite ? decimals(number, 2) : "?"
  }

  /// At least three significant digits, never an exponent.
  private static func threeDigits(_ number: Double) -> String {
    let size = abs(number)
    return decimals(number, size == 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2)
  }

  private static func decimals(_ number: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", number)
  }
}
