// SPDX-License-Identifier: Apache-2.0
internal import CVectorMath

/// Element-wise work on Float64 numbers, 8 at a time.
///
/// Runs are padded to whole vectors of 16 by whoever makes them, so there is no rest.
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

  /// Eight Float32 numbers.
  @inline(__always)
  package static func load(_ pointer: UnsafePointer<Float>) -> Vector {
    widened(UnsafeRawPointer(pointer).loadUnaligned(as: SIMD8<Float>.self))
  }

  /// Eight numbers, rounded to Float32.
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
  package static func all(_ value: Double) -> Vector { Vector(repeating: value) }

  /// Calls `body` at every eighth index below `count`, a multiple of eight.
  @inline(__always)
  package static func forEach(_ count: Int, _ body: (Int) -> Void) {
    var i = 0
    while i < count {
      body(i)
      i &+= 8
    }
  }
}
