// SPDX-License-Identifier: Apache-2.0
import NeuralCore

/// Numbers on a 64-byte boundary with marks behind the last: a kernel that writes beyond the end
/// destroys a mark, and one that computes with what is there gets NaN.
final class Guarded<Number: BinaryFloatingPoint & BitwiseCopyable> {
  private static var marks: Int { 64 }
  private let buffer: AlignedBuffer<Number>
  let count: Int

  /// Makes memory whose numbers are NaN too.
  init(count: Int) {
    self.count = count
    buffer = AlignedBuffer(count: count + Self.marks)
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

  /// Whether all marks are as they were.
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

/// Numbers that look random, the same each time.
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

/// How far a Float32 result is from the exact one, in units of the last place of a magnitude.
///
/// A unit is `magnitude * 2^-23`, so rounding a number once is off by half a unit of it at most. For a
/// sum the magnitude is that of its terms: what cancels leaves its roundings behind.
func units(_ found: Float, _ exact: Double, of magnitude: Double? = nil) -> Double {
  let magnitude = magnitude ?? exact
  guard Double(found) != exact else { return 0 }
  return abs(Double(found) - exact) / Swift.max(abs(magnitude) * 0x1p-23, 0x1p-149)
}

/// The sum of some numbers, one after the other.
func sum(_ terms: [Double]) -> Double { terms.reduce(0, +) }

/// Lengths around those of vectors.
let oddLengths = [1, 15, 16, 17, 31, 33, 1000]
/// Numbers of rows around those that are added at once.
let oddRows = [1, 2, 3, 4, 5, 17, 130]
