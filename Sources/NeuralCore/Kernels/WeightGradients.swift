// SPDX-License-Identifier: Apache-2.0
internal import CVectorMath

/// The gradient by the weights of a layer whose input is normalized, from G = dZ^T Ahat.
package enum WeightGradients {
  /// How many terms are added in Float32, sixteen sums side by side, before they go over to Float64.
  private static let termsAtOnce = 1024

  /// Turns one input's column of G into that of dW: gamma * G_k + beta * db_k.
  ///
  /// - Parameters:
  ///   - g: G_k for each of `count` outputs k, overwritten.
  ///   - weights: W_k of the same input.
  ///   - biasGradient: db_k.
  /// - Returns: the input's dgamma, which is the sum of W_k G_k, and dbeta, that of W_k db_k.
  package static func scaleAndSum(
    _ g: UnsafeMutablePointer<Float>, weights: UnsafePointer<Float>,
    biasGradient: UnsafePointer<Float>, count: Int, gamma: Float, beta: Float
  ) -> (scale: Double, shift: Double) {
    let (scale, shift) = (Vectors.all(gamma), Vectors.all(beta))
    var (products, shifts) = (0.0, 0.0)
    var first = 0
    while first < count {
      let length = Swift.min(termsAtOnce, count &- first)
      var (a, b) = (Vectors.Vector(), Vectors.Vector())
      Vectors.forEach(length) { i, lanes in
        let k = first &+ i
        let w = Vectors.load(weights + k, count: lanes)
        let old = Vectors.load(g + k, count: lanes)
        let db = Vectors.load(biasGradient + k, count: lanes)
        a = Vectors.multiplyAdd(w, old, a)
        b = Vectors.multiplyAdd(w, db, b)
        Vectors.store(Vectors.multiplyAdd(old, scale, shift * db), to: g + k, count: lanes)
      }
      let sums = Self.sums(a, b)
      products += Double(sums.x)
      shifts += Double(sums.y)
      first &+= length
    }
    return (products, shifts)
  }

  /// The sum of the lanes of each of two vectors: both at once, by halves.
  @inline(__always)
  private static func sums(_ a: Vectors.Vector, _ b: Vectors.Vector) -> SIMD2<Float> {
    let sixteen = clockstep_interleave_low(a, b) + clockstep_interleave_high(a, b)
    let eight = sixteen.lowHalf + sixteen.highHalf
    let four = eight.lowHalf + eight.highHalf
    return four.lowHalf + four.highHalf
  }
}
