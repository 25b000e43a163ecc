// SPDX-License-Identifier: Apache-2.0

/// Elementary functions of 16 elements at a time, of the arguments that activation functions need.
///
/// All consist of fused multiply-adds and basic IEEE operations, so they give the same bits with every
/// instruction set. NaN propagates.
enum ElementaryFunctions {
  typealias Vector = SIMD16<Float>

  /// exp(x), for x from -110 to 0; accurate to 2 units in the last place.
  ///
  /// Results below 2^-126 are subnormal, and 0 from x = -104 downward.
  @inline(__always)
  static func exp(_ x: Vector) -> Vector {
    let e = ScaledExponential(x)
    return e.scaled(e.significand)
  }

  /// exp(x) - 1, for x <= 0; accurate to 1 unit in the last place.
  @inline(__always)
  static func exponentialMinusOne(_ x: Vector) -> Vector {
    // From -40 downward the result is -1 rounded, and 2^n below is a normal number.
    let e = ScaledExponential(x.replacing(with: -40, where: x .< -40))
    let power = Exponential.power(of2: e.exponent)
    return Vectors.multiplyAdd(power, e.fraction, power - 1)
  }

  /// log(1 + x), for x from 0 to 1; accurate to 2 units in the last place.
  ///
  /// log(1 + x) = 2 artanh(s / 2) with s = 2x / (2 + x) is s + s w p(w), where w = s^2 <= 4/9 and p has
  /// degree 3. The coefficients are a minimax fit of (2 artanh(s / 2) / s - 1) / w, with a relative
  /// error of the result below 2^-27.
  @inline(__always)
  static func logarithmOfOnePlus(_ x: Vector) -> Vector {
    let s = (x + x) / (2 + x)
    let w = s * s
    var p = Vector(repeating: 5.473_527_126e-4)
    p = horner(p, w, 2.187_432_954e-3)
    p = horner(p, w, 1.250_678_115e-2)
    p = horner(p, w, 8.333_301_544e-2)
    return Vectors.multiplyAdd(s, w * p, s)
  }

  /// The Gaussian's lower tail, from its Mills ratio: (1 + erf(x / sqrt 2)) / 2 = exp(-x^2 / 2) R(-x).
  struct GaussianTail {
    /// exp(-x^2 / 2).
    let density: ScaledExponential
    /// R(-x) = erfcx(-x / sqrt 2) / 2, which decreases from 1/2 like 1 / (-x sqrt(2 pi)).
    let ratio: Vector

    /// For x from -15 to 0.
    ///
    /// R is a rational function whose coefficients are all positive, so that nothing cancels: a
    /// minimax fit on 0...15 with a relative error below 2^-25.
    @inline(__always)
    init(_ x: Vector) {
      // A rounding error of x^2 = 200 would be one of 2^-17 in the exponential.
      let square = x * x
      let remainder = Vectors.multiplyAdd(x, x, -square)
      density = ScaledExponential(-0.5 * square, plus: -0.5 * remainder)
      let t = -x
      var p = Vector(repeating: 4.153_238_609e-3)
      p = horner(p, t, 4.088_118_300e-2)
      p = horner(p, t, 1.839_692_891e-1)
      p = horner(p, t, 4.392_836_094e-1)
      p = horner(p, t, 0.5)
      var q = Vector(repeating: 1.041_051_373e-2)
      q = horner(q, t, 1.024_800_465e-1)
      q = horner(q, t, 4.714_091_122e-1)
      q = horner(q, t, 1.205_548_882)
      q = horner(q, t, 1.676_452_279)
      q = horner(q, t, 1)
      ratio = p / q
    }
  }

  /// exp(x) = ``significand`` * 2^``exponent``, for x from -113 to 0.
  ///
  /// A product with the exponential multiplies the significand and is scaled last, so that it is
  /// rounded once where the exponential itself is subnormal.
  struct ScaledExponential {
    /// exp(r) - 1, where r = x - exponent * ln 2 and |r| <= ln 2 / 2.
    let fraction: Vector
    let exponent: SIMD16<Int32>

    /// exp(x + correction), where the correction is small compared to 1.
    ///
    /// Source of the coefficients: `expf` of S. Moshier's Cephes library, as in ``Exponential``.
    @inline(__always)
    init(_ x: Vector, plus correction: Vector? = nil) {
      // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
      let magic = Vector(repeating: 12_582_912)
      let shifted = Vectors.multiplyAdd(x, Vector(repeating: 1.442_695_04), magic)
      let n = shifted - magic
      exponent =
        unsafeBitCast(shifted, to: SIMD16<Int32>.self)
        &- unsafeBitCast(magic, to: SIMD16<Int32>.self)
      var r = Vectors.multiplyAdd(n, Vector(repeating: -0.693_359_375), x)
      r = Vectors.multiplyAdd(n, Vector(repeating: 2.121_944_4e-4), r)
      if let correction { r += correction }
      var p = Vector(repeating: 1.987_569_15e-4)
      p = horner(p, r, 1.398_199_950_7e-3)
      p = horner(p, r, 8.333_451_907_3e-3)
      p = horner(p, r, 4.166_579_589_4e-2)
      p = horner(p, r, 1.666_666_545_9e-1)
      p = horner(p, r, 5.000_000_120_1e-1)
      fraction = Vectors.multiplyAdd(p, r * r, r)
    }

    /// exp(r), from 0.7 to 1.42.
    @inline(__always)
    var significand: Vector { 1 + fraction }

    /// value * 2^exponent, rounded once.
    @inline(__always)
    func scaled(_ value: Vector) -> Vector {
      // Two factors, since the exponent can be below -126; the first product is exact.
      let half = exponent &>> 1
      return value * Exponential.power(of2: half) * Exponential.power(of2: exponent &- half)
    }
  }

  /// p x + c, a step of Horner's scheme.
  @inline(__always)
  private static func horner(_ p: Vector, _ x: Vector, _ c: Float) -> Vector {
    Vectors.multiplyAdd(p, x, Vector(repeating: c))
  }
}
