// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralCore
import Testing

@Suite("Activations over rows")
struct ActivationKernelTests {
  struct Case: Sendable {
    let function: any ActivationFunction
    let value: @Sendable (Double) -> Double
    let slope: @Sendable (Double) -> Double
    /// Units in the last place by which values and slopes may be off.
    let units: Double
  }

  static let cases = [
    Case(function: Relu(), value: { Swift.max($0, 0) }, slope: { $0 > 0 ? 1 : 0 }, units: 0),
    Case(function: Identity(), value: { $0 }, slope: { _ in 1 }, units: 0),
    Case(
      function: Sigmoid(), value: { 1 / (1 + exp(-$0)) },
      slope: { exp(-abs($0)) / pow(1 + exp(-abs($0)), 2) }, units: 5),
  ]

  @Test(
    "add the bias with one rounding, then the function", arguments: oddLengths, cases.indices)
  func activate(columns: Int, which: Int) {
    let one = Self.cases[which]
    for rows in [1, 3, 17] {
      var numbers = Numbers(columns + rows)
      let before = numbers.array(rows * columns).map { $0 * 4 }
      let z = Guarded(before)
      let bias = Guarded(numbers.array(columns))
      let output = Guarded<Float>(count: rows * columns)
      one.function.activate(
        z.mutableMatrix(rows, columns), adding: bias.base,
        into: output.mutableMatrix(rows, columns))
      for i in 0..<rows * columns {
        #expect(z.base[i] == before[i] + bias.base[i % columns])
        #expect(units(output.base[i], one.value(Double(z.base[i]))) <= one.units)
      }
      #expect(z.isIntact && bias.isIntact && output.isIntact)
      let inPlace = Guarded(before)
      one.function.activate(
        inPlace.mutableMatrix(rows, columns), adding: bias.base,
        into: inPlace.mutableMatrix(rows, columns))
      #expect(inPlace.values == output.values && inPlace.isIntact)
    }
  }

  @Test(
    "multiply the gradient by the slope, and add it up over rows", arguments: oddLengths,
    cases.indices)
  func differentiate(columns: Int, which: Int) {
    let one = Self.cases[which]
    for rows in oddRows {
      var numbers = Numbers(columns + rows)
      let z = Guarded(numbers.array(rows * columns).map { $0 * 4 })
      let before = numbers.array(rows * columns)
      let gradient = Guarded(before)
      let sums = Guarded<Float>(count: Vectors.padded(columns))
      one.function.differentiate(
        z.matrix(rows, columns), gradient: gradient.mutableMatrix(rows, columns), sums: sums.base)
      for i in 0..<rows * columns {
        let exact = Double(before[i]) * one.slope(Double(z.base[i]))
        #expect(units(gradient.base[i], exact) <= one.units + 0.5)
      }
      for j in 0..<columns {
        let terms = (0..<rows).map { Double(gradient.base[$0 * columns + j]) }
        let magnitude = sum(terms.map { abs($0) })
        // At most one rounding a row.
        #expect(units(sums.base[j], sum(terms), of: magnitude) <= Double(rows) / 2)
      }
      #expect(z.isIntact && gradient.isIntact && sums.isIntact)
    }
  }

  @Test("the exponential is within 2 units where it is normal, and right at its ends")
  func exponential() {
    for x in stride(from: Float(-87), through: 88, by: 0.137) {
      #expect(units(Exponential.exp(Vectors.all(x))[5], Foundation.exp(Double(x))) <= 2)
    }
    let ends: [(Float, Float)] = [
      (89, .infinity), (.infinity, .infinity), (-105, 0), (-.infinity, 0), (0, 1),
    ]
    for (x, y) in ends { #expect(Exponential.exp(Vectors.all(x))[0] == y) }
    #expect(Exponential.exp(Vectors.all(.nan))[0].isNaN)
  }
}
