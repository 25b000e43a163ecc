// SPDX-License-Identifier: Apache-2.0
internal import CVectorMath

/// Element-wise operations on contiguous Float32 memory, 16 elements at a time.
///
/// The last elements are padded with zeros to a whole vector, so that an element's result does not
/// depend on its position.
package enum Vectors {
  package typealias Vector = SIMD16<Float>

  /// Calls `body` for each vector of `count` elements, with its first index and its number of
  /// lanes.
  ///
  /// For whole vectors the number of lanes is the constant 16, for which ``load(_:count:)`` and
  /// ``store(_:to:count:)`` are plain loads and stores.
  @inline(__always)
  package static func forEach(_ count: Int, _ body: (_ index: Int, _ lanes: Int) -> Void) {
    var i = 0
    while i &+ 16 <= count {
      body(i, 16)
      i &+= 16
    }
    if i < count { body(i, count &- i) }
  }

  /// output_i = function(input_i).
  @inline(__always)
  package static func map(
    _ input: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>,
    _ function: (Vector) -> Vector
  ) {
    guard let source = input.baseAddress, let target = output.baseAddress else { return }
    forEach(Swift.min(input.count, output.count)) { i, lanes in
      store(function(load(source + i, count: lanes)), to: target + i, count: lanes)
    }
  }

  /// values_i *= function(input_i).
  @inline(__always)
  package static func multiply(
    _ values: UnsafeMutableBufferPointer<Float>, byMapping input: UnsafeBufferPointer<Float>,
    _ function: (Vector) -> Vector
  ) {
    guard let source = input.baseAddress, let target = values.baseAddress else { return }
    forEach(Swift.min(input.count, values.count)) { i, lanes in
      let product = load(target + i, count: lanes) * function(load(source + i, count: lanes))
      store(product, to: target + i, count: lanes)
    }
  }

  @inline(__always)
  package static func load(_ pointer: UnsafePointer<Float>) -> Vector {
    UnsafeRawPointer(pointer).loadUnaligned(as: Vector.self)
  }

  @inline(__always)
  package static func load(_ pointer: UnsafePointer<Float>, count: Int) -> Vector {
    count == 16 ? load(pointer) : clockstep_load_first(pointer, count)
  }

  @inline(__always)
  package static func store(_ vector: Vector, to pointer: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(pointer).storeBytes(of: vector, as: Vector.self)
  }

  @inline(__always)
  package static func store(_ vector: Vector, to pointer: UnsafeMutablePointer<Float>, count: Int) {
    if count == 16 {
      store(vector, to: pointer)
    } else {
      clockstep_store_first(vector, pointer, count)
    }
  }

  /// Whether the registers hold 32 vectors of 16 elements (AVX-512) instead of 8.
  package static var hasWideRegisters: Bool { clockstep_has_wide_registers != 0 }

  /// `count` rounded up to whole vectors of 16 elements.
  package static func padded(_ count: Int) -> Int { (count + 15) / 16 * 16 }

  /// a * b + c, rounded once.
  @inline(__always)
  package static func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
    clockstep_multiply_add(a, b, c)
  }

  /// -|x|, but at least `minimum`; -0 for both zeros, propagates NaN.
  @inline(__always)
  package static func negativeMagnitude(_ x: Vector, atLeast minimum: Float) -> Vector {
    let negative = clockstep_copy_sign(x, broadcast(-1))
    return negative.replacing(with: minimum, where: negative .< minimum)
  }

  /// |x| with the sign of `sign`.
  @inline(__always)
  package static func copySign(_ x: Vector, of sign: Vector) -> Vector {
    clockstep_copy_sign(x, sign)
  }

  /// A vector with the value in all 16 lanes.
  @inline(__always)
  package static func broadcast(_ value: Float) -> Vector { Vector(repeating: value) }

  /// The mask of the first `count` lanes.
  @inline(__always)
  package static func mask(first count: Int) -> SIMDMask<SIMD16<Int32>> {
    laneNumbers .< Float(count)
  }

  /// The mask of the lane at `index`; empty if there is no such lane.
  @inline(__always)
  package static func mask(lane index: Int32) -> SIMDMask<SIMD16<Int32>> {
    laneNumbers .== Float(index)
  }

  /// Float32, whose comparisons are one instruction: Swift 6.3 compares integers lane by lane.
  @inline(__always)
  private static var laneNumbers: Vector {
    Vector(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  }

  /// The maximum over lanes, reduced by halves.
  @inline(__always)
  package static func maximum(_ x: Vector) -> Float {
    let eight = x.lowHalf.replacing(with: x.highHalf, where: x.highHalf .> x.lowHalf)
    let four = eight.lowHalf.replacing(
      with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
    let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .> four.lowHalf)
    return two.x < two.y ? two.y : two.x
  }
}

/// Element-wise operations on contiguous Float64 memory, 8 elements at a time.
///
/// Callers pad their buffers to whole vectors of 16 elements, so there is no remainder.
package enum DoubleVectors {
  package typealias Vector = SIMD8<Double>

  @inline(__always)
  package static func load(_ pointer: UnsafePointer<Double>) -> Vector {
    UnsafeRawPointer(pointer).loadUnaligned(as: Vector.self)
  }

  @inline(__always)
  package static func store(_ vector: Vector, to pointer: UnsafeMutablePointer<Double>) {
    UnsafeMutableRawPointer(pointer).storeBytes(of: vector, as: Vector.self)
  }

  /// Eight Float32 elements, widened.
  @inline(__always)
  package static func load(_ pointer: UnsafePointer<Float>) -> Vector {
    widened(UnsafeRawPointer(pointer).loadUnaligned(as: SIMD8<Float>.self))
  }

  /// Stores eight elements rounded to Float32.
  @inline(__always)
  package static func store(_ vector: Vector, to pointer: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(pointer).storeBytes(
      of: clockstep_narrow(vector), as: SIMD8<Float>.self)
  }

  @inline(__always)
  package static func widened(_ x: SIMD8<Float>) -> Vector { clockstep_widen(x) }

  @inline(__always)
  package static func squareRoot(_ x: Vector) -> Vector { clockstep_square_root_double(x) }

  /// a * b + c, rounded once.
  @inline(__always)
  package static func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
    clockstep_multiply_add_double(a, b, c)
  }

  @inline(__always)
  package static func broadcast(_ value: Double) -> Vector { Vector(repeating: value) }

  /// Calls `body` at every eighth index below `count`, which must be a multiple of eight.
  @inline(__always)
  package static func forEach(_ count: Int, _ body: (Int) -> Void) {
    var i = 0
    while i < count {
      body(i)
      i &+= 8
    }
  }
}

/// The exponential function of 16 elements at a time.
///
/// exp(x) = 2^n * exp(r) with n = round(x / ln 2) and |r| <= ln 2 / 2; exp(r) is a polynomial of
/// degree 6. The error is below 2 units in the last place. Results below 2^-126 are subnormal,
/// exp(x) is infinity from x = 88.73 upward and 0 from x = -104 downward, and NaN propagates.
///
/// Source of the coefficients: `expf` of S. Moshier's Cephes library
/// (https://www.netlib.org/cephes/).
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
    // 2^n as two factors, since n can exceed the exponent's range on either side.
    let half = bits &>> 1
    let result = value * power(of2: half) * power(of2: bits &- half)
    return result.replacing(with: x, where: x .!= x)
  }

  /// 2^n for n from -126 to 127.
  @inline(__always)
  static func power(of2 n: SIMD16<Int32>) -> Vector {
    unsafeBitCast((n &+ 127) &<< 23, to: Vector.self)
  }
}
