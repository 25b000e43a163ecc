// SPDX-License-Identifier: Apache-2.0
import NeuralCore

/// Elements on a 64-byte boundary, followed by guard elements: a kernel that writes beyond the end
/// changes a guard, and one that reads beyond the end gets NaN.
final class Guarded<Number: BinaryFloatingPoint & BitwiseCopyable> {
  private static var guards: Int { 64 }
  private let buffer: AlignedBuffer<Number>
  let count: Int

  /// Creates memory whose elements are NaN as well.
  init(count: Int) {
    self.count = count
    buffer = AlignedBuffer(count: count + Self.guards)
    bytes.initializeMemory(as: UInt8.self, repeating: 0xff)
  }

  convenience init(_ values: [Number]) {
    self.init(count: values.count)
    for (index, value) in values.enumerated() { base[index] = value }
  }

  var base: UnsafeMutablePointer<Number> { buffer.base }
  var values: [Number] { Array(buffer.elements.prefix(count)) }

  private var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(buffer.mutableElements)
  }

  /// Whether all guards are unchanged.
  var isIntact: Bool {
    bytes.dropFirst(count * MemoryLayout<Number>.stride).allSatisfy { $0 == 0xff }
  }
}

extension Guarded<Float> {
  func matrix(_ rows: Int, _ columns: Int) -> MatrixView {
    MatrixView(base, rows: rows, columns: columns)
  }

  func mutableMatrix(_ rows: Int, _ columns: Int) -> MutableMatrixView {
    MutableMatrixView(base, rows: rows, columns: columns)
  }
}

/// Deterministic pseudorandom numbers.
struct Numbers {
  private var state: UInt64

  init(_ seed: Int) { state = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 | 1 }

  /// A number in -2 ..< 2.
  mutating func next() -> Float {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(state >> 40) / Float(1 << 22) - 2
  }

  mutating func array(_ count: Int) -> [Float] { (0..<count).map { _ in next() } }
}

/// The error of a Float32 result, in units in the last place of `magnitude`.
///
/// A unit is `magnitude * 2^-23`, so rounding once is an error of at most half a unit. For a sum
/// the magnitude is that of its terms: terms that cancel leave their rounding errors.
func units(_ found: Float, _ exact: Double, of magnitude: Double? = nil) -> Double {
  let magnitude = magnitude ?? exact
  guard Double(found) != exact else { return 0 }
  return abs(Double(found) - exact) / Swift.max(abs(magnitude) * 0x1p-23, 0x1p-149)
}

/// The sum of the terms, in order.
func sum(_ terms: [Double]) -> Double { terms.reduce(0, +) }

/// Lengths around multiples of the vector length.
let oddLengths = [1, 15, 16, 17, 31, 33, 1000]
/// Numbers of rows around those of blocks.
let oddRows = [1, 2, 3, 4, 5, 17, 130]
