// SPDX-License-Identifier: Apache-2.0

/// The exponential function on 16 numbers at a time.
///
/// exp(x) = 2^n * exp(r) with n = round(x / ln 2) and |r| <= ln 2 / 2; exp(r) is a polynomial of
/// degree 6 (coefficients of S. Moshier's Cephes library, `expf`). The error is below 2 units in
/// the last place; results below 2^-126 are right as subnormals, exp(x) is infinite from 88.73 on
/// and 0 from -104 down, NaN stays NaN.
package enum Exponential {
  package typealias Vector = SIMD16<Float>

  @inline(__always)
  package static func exp(_ x: Vector) -> Vector {
    let clamped = x.replacing(with: -105, where: x .< -105).replacing(with: 90, where: x .> 90)
    // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
    let magic = Vector(repeating: 12_582_912)
    let shifted = clamped * 1.442_695_04 + magic
    let n = shifted - magic
    let bits =
      unsafeBitCast(shifted, to: SIMD16<Int32>.self) &- unsafeBitCast(magic, to: SIMD16<Int32>.self)
    let r = (clamped - n * 0.693_359_375) - n * -2.121_944_4e-4
    var p = Vector(repeating: 1.987_569_15e-4)
    p = p * r + 1.398_199_950_7e-3
    p = p * r + 8.333_451_907_3e-3
    p = p * r + 4.166_579_589_4e-2
    p = p * r + 1.666_666_545_9e-1
    p = p * r + 5.000_000_120_1e-1
    let value = p * (r * r) + r + 1
    // 2^n in two factors, since n can be out of the exponent's range on either side.
    let half = bits &>> 1
    let result = value * power(of2: half) * power(of2: bits &- half)
    return result.replacing(with: x, where: x .!= x)
  }

  @inline(__always)
  private static func power(of2 n: SIMD16<Int32>) -> Vector {
    unsafeBitCast((n &+ 127) &<< 23, to: Vector.self)
  }
}
