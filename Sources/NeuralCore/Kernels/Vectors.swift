// SPDX-License-Identifier: Apache-2.0

/// Element-wise work on flat memory, 16 numbers at a time.
///
/// The last few numbers are padded with zeros to a whole vector, so an element's result does not
/// depend on where in the run it stands.
enum Vectors {
  typealias Vector = SIMD16<Float>

  /// Calls `whole` at every 16th index, and then `rest` with the number of elements left over.
  @inline(__always)
  static func forEach(_ count: Int, whole: (Int) -> Void, rest: (Int, Int) -> Void) {
    var i = 0
    while i + 16 <= count {
      whole(i)
      i += 16
    }
    if i < count { rest(i, count - i) }
  }

  /// output_i = function(input_i), 16 at a time; the last ones are padded with zeros.
  @inline(__always)
  static func map(
    _ input: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>,
    _ function: (Vector) -> Vector
  ) {
    guard let source = input.baseAddress, let target = output.baseAddress else { return }
    forEach(Swift.min(input.count, output.count)) { i in
      store(function(load(source + i)), to: target + i)
    } rest: { i, count in
      store(function(load(source + i, count: count)), to: target + i, count: count)
    }
  }

  /// values_i *= function(input_i), 16 at a time.
  @inline(__always)
  static func multiply(
    _ values: UnsafeMutableBufferPointer<Float>, byMapping input: UnsafeBufferPointer<Float>,
    _ function: (Vector) -> Vector
  ) {
    guard let source = input.baseAddress, let target = values.baseAddress else { return }
    forEach(Swift.min(input.count, values.count)) { i in
      store(load(target + i) * function(load(source + i)), to: target + i)
    } rest: { i, count in
      let product = load(target + i, count: count) * function(load(source + i, count: count))
      store(product, to: target + i, count: count)
    }
  }

  @inline(__always)
  static func load(_ pointer: UnsafePointer<Float>) -> Vector {
    UnsafeRawPointer(pointer).loadUnaligned(as: Vector.self)
  }

  @inline(__always)
  static func load(_ pointer: UnsafePointer<Float>, count: Int) -> Vector {
    var vector = Vector()
    for lane in 0..<count { vector[lane] = pointer[lane] }
    return vector
  }

  @inline(__always)
  static func store(_ vector: Vector, to pointer: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(pointer).storeBytes(of: vector, as: Vector.self)
  }

  @inline(__always)
  static func store(_ vector: Vector, to pointer: UnsafeMutablePointer<Float>, count: Int) {
    for lane in 0..<count { pointer[lane] = vector[lane] }
  }
}
