// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation

/// Checks of the numbers on the command line.
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
        "\(name) \(text): must be whole numbers from \(range.lowerBound) to \(range.upperBound), "
          + "separated by commas")
    }
    return numbers.compactMap { $0 }
  }
}
