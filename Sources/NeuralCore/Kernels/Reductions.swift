// SPDX-License-Identifier: Apache-2.0

/// Sums over flat memory in an order that depends on the length alone.
public enum Reductions {
  /// The sum of the squares of `count` numbers, in Float64, which no Float32 can overflow.
  ///
  /// Eight running sums, one for each index modulo 8, are added at the end.
  public static func sumOfSquares(_ values: UnsafePointer<Float>, _ count: Int) -> Double {
    var sums = SIMD8<Double>()
    var i = 0
    while i + 8 <= count {
      let x = SIMD8<Double>(UnsafeRawPointer(values + i).loadUnaligned(as: SIMD8<Float>.self))
      sums += x * x
      i += 8
    }
    while i < count {
      sums[i % 8] += Double(values[i]) * Double(values[i])
      i += 1
    }
    return sums.sum()
  }

  /// target_i += addend_i.
  public static func add(
    _ addend: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    for i in 0..<count {
      target[i] += addend[i]
    }
  }
}
