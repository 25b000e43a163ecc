// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// The pieces of softmax and log-sum-exp over one row, shifted by the row's maximum.
public enum Softmax {
  static func maximum(_ z: UnsafePointer<Float>, _ count: Int) -> Float {
    var maximum = -Float.infinity
    for j in 0..<count { maximum = z[j] > maximum ? z[j] : maximum }
    return maximum
  }

  /// The row's maximum and the sum over the row of exp(z - maximum); a NaN makes the sum NaN.
  static func maximumAndSum(_ z: UnsafePointer<Float>, _ count: Int) -> (Float, Double) {
    let maximum = maximum(z, count)
    var total = 0.0
    var j = 0
    while j < count {
      let lanes = Swift.min(16, count - j)
      let e = Exponential.exp(Vectors.load(z + j, count: lanes) - maximum)
      for lane in 0..<lanes { total += Double(e[lane]) }
      j += lanes
    }
    return (maximum, total)
  }

  /// Writes exp(z - maximum) of a row and returns their sum.
  static func exponentials(
    _ z: UnsafePointer<Float>, _ count: Int, into result: UnsafeMutablePointer<Float>
  ) -> Double {
    let maximum = maximum(z, count)
    Vectors.map(
      UnsafeBufferPointer(start: z, count: count),
      into: UnsafeMutableBufferPointer(start: result, count: count)
    ) { Exponential.exp($0 - maximum) }
    var total = 0.0
    for j in 0..<count { total += Double(result[j]) }
    return total
  }

  static func log(_ x: Double) -> Double { Foundation.log(x) }

  /// Turns each row of logits into probabilities that add up to 1.
  public static func probabilities(_ logits: MutableMatrixView) {
    for row in 0..<logits.rows {
      let z = logits.base + row * logits.columns
      let factor = Float(1 / exponentials(z, logits.columns, into: z))
      for j in 0..<logits.columns { z[j] *= factor }
    }
  }
}
