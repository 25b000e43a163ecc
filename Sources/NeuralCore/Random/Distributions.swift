// SPDX-License-Identifier: Apache-2.0
internal import Foundation

extension PhiloxStream {
  /// Fills `values` with independent draws from the normal distribution with mean 0.
  ///
  /// Elements 2i and 2i+1 come from half i of the stream's blocks by Box and Muller's transform
  /// (Ann. Math. Stat. 29, 1958), in Float64, so an element's value depends on its index alone.
  public func fillNormal(
    _ values: UnsafeMutableBufferPointer<Float>, standardDeviation: Double
  ) {
    for pair in 0..<(values.count + 1) / 2 {
      let words = block(UInt64(pair / 2))
      let half = pair % 2 * 2
      let radius = standardDeviation * (-2 * log(Self.openUnit(words[half]))).squareRoot()
      let angle = 2 * Double.pi * Self.openUnit(words[half + 1])
      values[2 * pair] = Float(radius * cos(angle))
      if 2 * pair + 1 < values.count {
        values[2 * pair + 1] = Float(radius * sin(angle))
      }
    }
  }

  /// Fills `values` with independent draws from the uniform distribution on (-limit, limit).
  public func fillUniform(_ values: UnsafeMutableBufferPointer<Float>, limit: Double) {
    for index in 0..<values.count {
      let word = block(UInt64(index / 4))[index % 4]
      values[index] = Float((2 * Self.openUnit(word) - 1) * limit)
    }
  }

  /// Maps a word to the middle of its 2^-32 wide cell of (0, 1): never 0, never 1.
  private static func openUnit(_ word: UInt32) -> Double {
    (Double(word) + 0.5) * 0x1p-32
  }
}
