// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralCore
import Testing

/// Formulas of activation functions in Float64, by the C library's functions, and their error bounds.
enum References {
  struct Function: Sendable {
    let name: String
    let function: any ActivationFunction
    let value: @Sendable (Double) -> Double
    let slope: @Sendable (Double) -> Double
    /// The larger of the slope's terms, where they cancel.
    var terms: (@Sendable (Double) -> Double)?
    /// The error bounds that the type documents, in units in the last place.
    let units, slopeUnits: Double
    /// Values and slopes at minus and plus infinity.
    let limits: (values: [Float], slopes: [Float])
    /// A hash of the bits of values and slopes.
    let hashes: [UInt64]
  }

  static let all = [
    Function(
      name: "leaky-relu", function: LeakyRelu(),
      value: { $0 > 0 ? $0 : Double(Float(0.01)) * $0 },
      slope: { $0 > 0 ? 1 : Double(Float(0.01)) }, units: 0.5, slopeUnits: 0.5,
      limits: ([-.infinity, .infinity], [0.01, 1]),
      hashes: [0x1490_17d2_bc13_c2cf, 0x9db0_b3cf_acc9_82b7]),
    Function(
      name: "elu", function: Elu(), value: { $0 > 0 ? $0 : expm1($0) },
      slope: { $0 > 0 ? 1 : exp($0) }, units: 1, slopeUnits: 2,
      limits: ([-1, .infinity], [0, 1]), hashes: [0xd8fe_2ede_1b52_dd1e, 0x8958_edfe_7c06_fac4]),
    Function(
      name: "gelu", function: Gelu(), value: { $0 * normal($0) },
      slope: { normal($0) + $0 * density($0) },
      terms: { Swift.max(normal($0), abs($0 * density($0))) }, units: 7, slopeUnits: 4,
      limits: ([0, .infinity], [0, 1]), hashes: [0xf74f_ad24_900c_31d5, 0xe5e3_8b6d_b962_a5a7]),
    Function(
      name: "silu", function: Silu(), value: { $0 * sigmoid($0) },
      slope: { sigmoid($0) + $0 * sigmoid($0) * sigmoid(-$0) },
      terms: { Swift.max(sigmoid($0), abs($0 * sigmoid($0) * sigmoid(-$0))) }, units: 4,
      slopeUnits: 5, limits: ([0, .infinity], [0, 1]),
      hashes: [0x0908_3d68_c760_0ac6, 0xfa45_da79_ea1c_31c6]),
    Function(
      name: "softplus", function: Softplus(),
      value: { Swift.max($0, 0) + log1p(exp(-abs($0))) }, slope: { sigmoid($0) }, units: 3,
      slopeUnits: 3, limits: ([0, .infinity], [0, 1]),
      hashes: [0x876d_6ecd_75d8_4735, 0x564b_4335_f7bb_f64b]),
    Function(
      name: "tanh", function: Tanh(), value: { Foundation.tanh($0) },
      slope: { 4 * sigmoid(2 * $0) * sigmoid(-2 * $0) }, units: 3, slopeUnits: 5,
      limits: ([-1, 1], [0, 0]), hashes: [0x0096_54f2_6382_97f0, 0xc261_ef5c_5d02_3d37]),
  ]

  private static func sigmoid(_ z: Double) -> Double {
    z < 0 ? exp(z) / (1 + exp(z)) : 1 / (1 + exp(-z))
  }

  private static func normal(_ z: Double) -> Double { erfc(-z / 2.0.squareRoot()) / 2 }

  private static func density(_ z: Double) -> Double {
    exp(-z * z / 2) / (2 * Double.pi).squareRoot()
  }
}

@Suite("Error bounds and bits of activation functions")
struct ActivationAccuracyTests {
  /// Numbers of all magnitudes and signs, subnormal ones too, evenly spaced by their bit patterns.
  static let points = stride(from: UInt32(0), to: .max - 16_411, by: 16_411)
    .map { Float(bitPattern: $0) }.filter(\.isFinite)

  /// Numbers at which something changes, with their neighbors.
  static let specialPoints = [
    0, .leastNonzeroMagnitude, .leastNormalMagnitude / 256, .leastNormalMagnitude, 1e-30, 1e-10,
    0.346_573_6, 0.75, 1, 1.28,
    8.66, 13.5, 14.3, 15, 16.6, 17.3, 20, 40, 55, 60, 87.336_54, 88.722_84, 103.278_93, 103.972_08,
    110, 1e4, 1e19, 1e30, .greatestFiniteMagnitude,
  ].flatMap { (x: Float) in [x, x.nextUp, x.nextDown].flatMap { [$0, -$0] } }.filter(\.isFinite)

  static func values(_ function: any ActivationFunction, at points: [Float]) -> [Float] {
    var values = [Float](repeating: 0, count: points.count)
    points.withUnsafeBufferPointer { z in
      values.withUnsafeMutableBufferPointer { function.apply(z, into: $0) }
    }
    return values
  }

  static func slopes(_ function: any ActivationFunction, at points: [Float]) -> [Float] {
    var slopes = [Float](repeating: 1, count: points.count)
    points.withUnsafeBufferPointer { z in
      slopes.withUnsafeMutableBufferPointer { function.derivative(z, times: $0) }
    }
    return slopes
  }

  /// The error in units in the last place of `magnitude`; unlike ``units(_:_:of:)``, the unit is the
  /// distance of neighboring numbers.
  static func error(_ found: Float, _ exact: Double, of magnitude: Double) -> Double {
    let unit = Swift.max(Float(abs(magnitude)).ulp, .leastNonzeroMagnitude)
    return abs(Double(found) - exact) / Double(unit)
  }

  @Test(
    "values and derivatives are within their documented error bounds at numbers of all magnitudes",
    arguments: References.all.indices)
  func bounds(which: Int) {
    let one = References.all[which]
    let dense = stride(from: Float(-20), through: 20, by: 0.000_37)
    let points = Self.points + Self.specialPoints + Array(dense)
    var worst: (value: (Double, at: Float), slope: (Double, at: Float)) = ((0, 0), (0, 0))
    let found = zip(
      Self.values(one.function, at: points), Self.slopes(one.function, at: points))
    for (z, (value, slope)) in zip(points, found) {
      let exact = (value: one.value(Double(z)), slope: one.slope(Double(z)))
      let terms = one.terms?(Double(z)) ?? exact.slope
      let errors = (
        Self.error(value, exact.value, of: exact.value), Self.error(slope, exact.slope, of: terms)
      )
      if !(errors.0 <= worst.value.0) { worst.value = (errors.0, z) }
      if !(errors.1 <= worst.slope.0) { worst.slope = (errors.1, z) }
    }
    #expect(worst.value.0 <= one.units, "\(one.name)(\(worst.value.at))")
    #expect(worst.slope.0 <= one.slopeUnits, "\(one.name)'(\(worst.slope.at))")
  }

  @Test(
    "values and derivatives have their limits at infinity, and values keep the sign of zero and NaN",
    arguments: References.all.indices)
  func limits(which: Int) {
    let one = References.all[which]
    let ends = [-Float.infinity, .infinity]
    #expect(Self.values(one.function, at: ends) == one.limits.values)
    #expect(Self.slopes(one.function, at: ends) == one.limits.slopes)
    let undefined = Self.values(one.function, at: [.nan, .signalingNaN])
    #expect(undefined[0].isNaN && undefined[1].isNaN)
    let zeros = Self.values(one.function, at: [0, -0.0])
    if one.value(0) == 0 { #expect(zeros[0].sign == .plus && zeros[1].sign == .minus) }
  }

  @Test(
    "an element's bits do not depend on its position in a vector or in the remainder",
    arguments: References.all.indices)
  func positions(which: Int) {
    let function = References.all[which].function
    var numbers = Numbers(5)
    let points = numbers.array(67).map { 6 * $0 }
    let (values, slopes) = (
      Self.values(function, at: points), Self.slopes(function, at: points)
    )
    for first in 0..<18 {
      for count in [1, 7, 15, 16, 17, 33] {
        let part = Array(points[first..<first + count])
        #expect(Self.values(function, at: part) == Array(values[first..<first + count]))
        #expect(Self.slopes(function, at: part) == Array(slopes[first..<first + count]))
      }
    }
  }

  @Test(
    "the bits of values and derivatives are those of every processor and instruction set",
    arguments: References.all.indices)
  func bits(which: Int) {
    let one = References.all[which]
    let hashes = [
      Self.values(one.function, at: Self.points), Self.slopes(one.function, at: Self.points),
    ].map { numbers in
      // FNV-1a over 32-bit words.
      numbers.reduce(0xcbf2_9ce4_8422_2325) { (hash: UInt64, number) in
        (hash ^ UInt64(number.bitPattern)) &* 0x100_0000_01b3
      }
    }
    #expect(hashes == one.hashes, "\(one.name): \(hashes)")
  }
}
