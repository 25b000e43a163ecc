// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralCore
import Testing

@Suite("Activation functions and the exponential")
struct ActivationTests {
  struct Case: Sendable {
    let function: any ActivationFunction
    let value: @Sendable (Double) -> Double
    let slope: @Sendable (Double) -> Double
    /// The error bound of values and slopes, in units in the last place.
    let units: Double
    /// The magnitude that the slope's units refer to, unless it is the slope itself.
    var terms: (@Sendable (Double) -> Double)?

    /// The formulas of an activation that ``References`` has.
    init(_ reference: References.Function) {
      self.init(
        function: reference.function, value: reference.value, slope: reference.slope,
        units: max(reference.units, reference.slopeUnits), terms: reference.terms)
    }

    init(
      function: any ActivationFunction, value: @escaping @Sendable (Double) -> Double,
      slope: @escaping @Sendable (Double) -> Double, units: Double,
      terms: (@Sendable (Double) -> Double)? = nil
    ) {
      self.function = function
      self.value = value
      self.slope = slope
      self.units = units
      self.terms = terms
    }
  }

  static let cases =
    [
      Case(function: Relu(), value: { Swift.max($0, 0) }, slope: { $0 > 0 ? 1 : 0 }, units: 0),
      Case(function: Identity(), value: { $0 }, slope: { _ in 1 }, units: 0),
      Case(
        function: Sigmoid(), value: { 1 / (1 + exp(-$0)) },
        slope: { exp(-abs($0)) / pow(1 + exp(-abs($0)), 2) }, units: 5),
    ] + References.all.map(Case.init)

  @Test(
    "activate adds the bias with one rounding, then applies the function", arguments: oddLengths,
    cases.indices)
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
    "differentiate multiplies the gradient by the slope, and sums it over rows",
    arguments: oddLengths,
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
        let magnitude = one.terms.map { Double(before[i]) * $0(Double(z.base[i])) }
        #expect(units(gradient.base[i], exact, of: magnitude) <= one.units + 0.5)
      }
      for j in 0..<columns {
        let terms = (0..<rows).map { Double(gradient.base[$0 * columns + j]) }
        let magnitude = sum(terms.map { abs($0) })
        // At most one rounding per row.
        #expect(units(sums.base[j], sum(terms), of: magnitude) <= Double(rows) / 2)
      }
      #expect(z.isIntact && gradient.isIntact && sums.isIntact)
    }
  }

  @Test("the exponential is within 2 units in the last place, and exact beyond its range")
  func exponential() {
    for x in stride(from: Float(-87), through: 88, by: 0.137) {
      #expect(units(Exponential.exp(Vectors.broadcast(x))[5], Foundation.exp(Double(x))) <= 2)
    }
    let ends: [(Float, Float)] = [
      (89, .infinity), (.infinity, .infinity), (-105, 0), (-.infinity, 0), (0, 1),
    ]
    for (x, y) in ends { #expect(Exponential.exp(Vectors.broadcast(x))[0] == y) }
    #expect(Exponential.exp(Vectors.broadcast(.nan))[0].isNaN)
  }

  struct File: Decodable {
    let x: [Double]
    let exp: [Double?]
    let sigmoid: [Double]
  }

  @Test("the sigmoid is within 4 units in the last place over its whole range")
  func sigmoid() throws {
    let file = try JSONDecoder().decode(
      File.self, from: Data(contentsOf: resource("functions.json")))
    let x = file.x.map(Float.init)
    var y = [Float](repeating: 0, count: x.count)
    x.withUnsafeBufferPointer { x in
      y.withUnsafeMutableBufferPointer { Sigmoid().apply(x, into: $0) }
    }
    for ((x, found), expected) in zip(zip(x, y), file.sigmoid) {
      let unit = max(Float(expected).ulp, Float.leastNonzeroMagnitude)
      #expect(abs(Double(found) - expected) <= 4 * Double(unit), "sigmoid(\(x)) = \(found)")
    }
  }

  @Test(
    "derivatives of activation functions agree with finite differences", arguments: cases.indices)
  func derivatives(which: Int) {
    let function = Self.cases[which].function
    for z in stride(from: Float(-6), through: 6, by: 0.37) {
      let h: Float = 1.0 / 256
      var values = [Float](repeating: 0, count: 2)
      [z - h, z + h].withUnsafeBufferPointer { x in
        values.withUnsafeMutableBufferPointer { function.apply(x, into: $0) }
      }
      var gradient: [Float] = [3]
      [z].withUnsafeBufferPointer { x in
        gradient.withUnsafeMutableBufferPointer { function.derivative(x, times: $0) }
      }
      #expect(abs(gradient[0] / 3 - (values[1] - values[0]) / (2 * h)) < 1e-4)
    }
  }

  @Test("every activation function propagates NaN")
  func notANumber() {
    for function in Self.cases.map(\.function) {
      var y: [Float] = [0]
      [Float.nan].withUnsafeBufferPointer { x in
        y.withUnsafeMutableBufferPointer { function.apply(x, into: $0) }
      }
      #expect(y[0].isNaN)
    }
  }
}
