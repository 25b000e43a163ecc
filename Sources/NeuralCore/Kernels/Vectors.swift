// SPDX-License-Identifier: Apache-2.0
internal import CVectorMath

/// Element-wise work on flat memory, 16 numbers at a time.
///
/// The last few numbers are padded with zeros to a whole vector, so an element's result does not
/// depend on where in the run it stands.
package enum Vectors {
  package typealias Vector = SIMD16<Float>

  /// Calls `body` for each vector of a run: at its first index, with how many of the 16 lanes count.
  ///
  /// Whole vectors see the constant 16, which ``load(_:count:)`` and ``store(_:to:count:)`` turn
  /// into plain loads and stores.
  @inline(__always)
  package static func forEach(_ count: Int, _ body: (_ index: Int, _ lanes: Int) -> Void) {
    var i = 0
    while i &+ 16 <= count {
      body(i, 16)
      i &+= 16
    }
    if i < count { body(i, count &- i) }
  }

  /// output_i = function(input_i), 16 at a time; the last ones are padded with zeros.
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

  /// values_i *= function(input_i), 16 at a time.
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

  /// Whether 32 vectors fit the processor's registers, or 8 only.
  package static var hasWideRegisters: Bool { clockstep_has_wide_registers != 0 }

  /// The least number of elements, at least `count`, that is whole vectors.
  package static func padded(_ count: Int) -> Int { (count + 15) / 16 * 16 }

  /// a * b + c, rounded once.
  @inline(__always)
  package static func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
    clockstep_multiply_add(a, b, c)
  }

  /// The number as all 16 lanes.
  @inline(__always)
  package static func all(_ value: Float) -> Vector { Vector(repeating: value) }

  /// Which lanes are among the first `count`.
  @inline(__always)
  package static func isFirst(_ count: Int) -> SIMDMask<SIMD16<Int32>> {
    laneNumbers .< Float(count)
  }

  /// The lane that is number `index`, if there is one.
  @inline(__always)
  package static func isLane(_ index: Int32) -> SIMDMask<SIMD16<Int32>> {
    laneNumbers .== Float(index)
  }

  /// As Float32, whose comparisons are one instruction; those of integers go lane by lane (Swift 6.3).
  @inline(__always)
  private static var laneNumbers: Vector {
    Vector(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  }

  /// The greatest lane, by halves.
  @inline(__always)
  package static func maximum(_ x: Vector) -> Float {
    let eight = x.lowHalf.replacing(with: x.highHalf, where: x.highHalf .> x.lowHalf)
    let four = eight.lowHalf.replacing(
      with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
    let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .> four.lowHalf)
    return two.x < two.y ? two.y : two.x
  }
}
