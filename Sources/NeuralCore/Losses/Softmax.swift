// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// The pieces of softmax and log-sum-exp over one row, shifted by the row's maximum.
public enum Softmax {
  private typealias Vector = Vectors.Vector

  /// The greatest of some numbers; NaN if the first is, or all are.
  @inline(__always)
  private static func maximum(_ z: UnsafePointer<Float>, _ count: Int) -> Float {
    var best = Vector(repeating: z[0])
    Vectors.forEach(count) { j, lanes in
      let next = Vectors.load(z + j, count: lanes)
      best.replace(with: next, where: (next .> best) .& Vectors.isFirst(lanes))
    }
    return Vectors.maximum(best)
  }

  /// exp(z_j - maximum) of a vector of a row, with 0 in lanes beyond the row.
  @inline(__always)
  private static func exponential(
    _ z: UnsafePointer<Float>, _ lanes: Int, _ maximum: Float
  ) -> Vector {
    let e = Exponential.exp(Vectors.load(z, count: lanes) - maximum)
    return lanes == 16 ? e : Vector().replacing(with: e, where: Vectors.isFirst(lanes))
  }

  /// The row's maximum and the sum over the row of exp(z - maximum); a NaN makes the sum NaN.
  package static func maximumAndSum(_ z: UnsafePointer<Float>, _ count: Int) -> (Float, Double) {
    let maximum = maximum(z, count)
    var total = DoubleVectors.Vector()
    Vectors.forEach(count) { j, lanes in
      let e = exponential(z + j, lanes, maximum)
      total += DoubleVectors.widened(e.lowHalf) + DoubleVectors.widened(e.highHalf)
    }
    return (maximum, Reductions.sum(total))
  }

  /// The same, and writes exp(z - maximum) of the row to `result`, which may be the row itself.
  package static func exponentials(
    _ z: UnsafePointer<Float>, _ count: Int, into result: UnsafeMutablePointer<Float>
  ) -> (maximum: Float, sum: Double) {
    let maximum = maximum(z, count)
    var total = DoubleVectors.Vector()
    Vectors.forEach(count) { j, lanes in
      let e = exponential(z + j, lanes, maximum)
      total += DoubleVectors.widened(e.lowHalf) + DoubleVectors.widened(e.highHalf)
      Vectors.store(e, to: result + j, count: lanes)
    }
    return (maximum, Reductions.sum(total))
  }

  /// exp(z - maximum) of a row of at most 16, and what ``exponentials(_:_:into:)`` returns of it.
  @inline(__always)
  static func exponentials(
    _ z: UnsafePointer<Float>, ofFew count: Int
  ) -> (values: SIMD16<Float>, maximum: Float, sum: Double) {
    let maximum = maximum(z, count)
    let e = exponential(z, count, maximum)
    let total = DoubleVectors.widened(e.lowHalf) + DoubleVectors.widened(e.highHalf)
    return (e, maximum, Reductions.sum(total))
  }

  /// values_j *= factor.
  @inline(__always)
  package static func scale(_ values: UnsafeMutablePointer<Float>, _ count: Int, by factor: Float) {
    Vectors.forEach(count) { j, lanes in
      Vectors.store(Vectors.load(values + j, count: lanes) * factor, to: values + j, count: lanes)
    }
  }

  static func log(_ x: Double) -> Double { Foundation.log(x) }

  /// Turns each row of logits into probabilities that add up to 1.
  public static func probabilities(_ logits: MutableMatrixView) {
    for row in 0..<logits.rows {
      let z = logits.base + row * logits.columns
      scale(z, logits.columns, by: Float(1 / exponentials(z, logits.columns, into: z).sum))
    }
  }
}
