// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import DataParallel
import Foundation

/// The flags that limit how long ranks wait for each other.
struct StallOptions: ParsableArguments {
  /// The title of this group in the help.
  static let title = "Stall detection"

  @Option(
    help: ArgumentHelp(
      "Report missing ranks after others have waited this long.", valueName: "seconds"))
  var stallSeconds = 60

  @Option(
    help: ArgumentHelp(
      "End the job with status 75 after ranks have waited this long.", valueName: "seconds"))
  var stallAbortSeconds = 600

  func validate() throws {
    for (name, value, minimum) in [
      ("--stall-seconds", stallSeconds, 1), ("--stall-abort-seconds", stallAbortSeconds, 3),
    ] where !(minimum...1_000_000).contains(value) {
      throw ValidationError("\(name) \(value): must be \(minimum) or more")
    }
    guard stallAbortSeconds > stallSeconds + 1 else {
      throw ValidationError(
        "--stall-abort-seconds \(stallAbortSeconds): must be \(stallSeconds + 2) or more, since "
          + "--stall-seconds is \(stallSeconds)")
    }
  }

  var limits: StallLimits {
    StallLimits(reportAfter: Double(stallSeconds), abortAfter: Double(stallAbortSeconds))
  }
}

/// Checks of the numbers that options other than those of training take.
enum OptionNumbers {
  static func check<Number: Comparable>(
    _ name: String, _ value: Number, in range: ClosedRange<Number>
  ) throws {
    guard range.contains(value) else {
      throw ValidationError(
        "\(name) \(value): must be from \(range.lowerBound) to \(range.upperBound)")
    }
  }

  static func list(_ name: String, _ text: String, in range: ClosedRange<Int>) throws -> [Int] {
    let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map {
      Int($0.trimmingCharacters(in: .whitespaces))
    }
    guard numbers.allSatisfy({ $0.map(range.contains) ?? false }) else {
      throw ValidationError(
        "\(name) \(text): must be integers from \(range.lowerBound) to \(range.upperBound), "
          + "separated by commas")
    }
    return numbers.compactMap { $0 }
  }
}
