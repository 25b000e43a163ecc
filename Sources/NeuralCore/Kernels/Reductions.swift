// SPDX-License-Identifier: Apache-2.0

/// Sums over flat memory in an order that depends on the length alone.
public enum Reductions {
  /// The sum of the squares of `count` numbers, in Float64, which no Float32 can overflow.
  ///
  /// 32 running sums, one for each index modulo 32, are added in pairs at the end.
  public static func sumOfSquares(_ values: UnsafePointer<Float>, _ count: Int) -> Double {
    var (a, b) = (DoubleVectors.Vector(), DoubleVectors.Vector())
    var (c, d) = (DoubleVectors.Vector(), DoubleVectors.Vector())
    var i = 0
    while i &+ 32 <= count {
      let (w, x) = (DoubleVectors.load(values + i), DoubleVectors.load(values + i + 8))
      let (y, z) = (DoubleVectors.load(values + i + 16), DoubleVectors.load(values + i + 24))
      // The square of a Float32 is exact in Float64, so fusing changes no bit.
      a = DoubleVectors.multiplyAdd(w, w, a)
      b = DoubleVectors.multiplyAdd(x, x, b)
      c = DoubleVectors.multiplyAdd(y, y, c)
      d = DoubleVectors.multiplyAdd(z, z, d)
      i &+= 32
    }
    var rest = 0.0
    while i < count {
      rest += Double(values[i]) * Double(values[i])
      i &+= 1
    }
    return sum((a + b) + (c + d)) + rest
  }

  /// The sum of `count` numbers: eight running sums, one for each index modulo 8, added by halves.
  public static func sum(_ values: UnsafePointer<Double>, _ count: Int) -> Double {
    var sums = DoubleVectors.Vector()
    var i = 0
    while i &+ 8 <= count {
      sums += DoubleVectors.load(values + i)
      i &+= 8
    }
    var rest = 0.0
    while i < count {
      rest += values[i]
      i &+= 1
    }
    return sum(sums) + rest
  }

  /// The sum of eight numbers, by halves.
  @inline(__always)
  package static func sum(_ x: DoubleVectors.Vector) -> Double {
    let four = x.lowHalf + x.highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
  }

  /// target_i += addend_i.
  public static func add(
    _ addend: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    add(target, addend, into: target, count)
  }

  /// target_i += factor * addend_i, the product rounded by itself.
  public static func add(
    _ addend: UnsafePointer<Float>, times factor: Float, to target: UnsafeMutablePointer<Float>,
    _ count: Int
  ) {
    let factor = Vectors.all(factor)
    Vectors.forEach(count) { i, lanes in
      let product = factor * Vectors.load(addend + i, count: lanes)
      Vectors.store(Vectors.load(target + i, count: lanes) + product, to: target + i, count: lanes)
    }
  }

  /// sums_i = left_i + right_i; the sums may take the place of either.
  public static func add(
    _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>,
    into sums: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    Vectors.forEach(count) { i, lanes in
      let sum = Vectors.load(left + i, count: lanes) + Vectors.load(right + i, count: lanes)
      Vectors.store(sum, to: sums + i, count: lanes)
    }
  }
}
