// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralCore
import Testing

@Suite("Losses over rows")
struct LossKernelTests {
  /// Softmax of a row and the logarithm of its sum, in Float64.
  private func softmax(_ z: [Double]) -> (probabilities: [Double], logSum: Double) {
    let most = z.max() ?? 0
    let e = z.map { exp($0 - most) }
    let total = sum(e)
    return (e.map { $0 / total }, most + log(total))
  }

  @Test(
    "cross-entropy of classes and soft labels: gradients within 5 units of their terms",
    arguments: oddLengths, [false, true])
  func crossEntropy(columns: Int, isSoft: Bool) throws {
    for rows in [1, 3, 17] {
      var numbers = Numbers(columns + rows)
      let z = Guarded(numbers.array(rows * columns).map { $0 * 8 })
      let classes = (0..<rows).map { Int32($0 * 7 % columns) }
      let labels = Guarded(numbers.array(rows * columns).map { ($0 + 2) / Float(columns) })
      let gradient = Guarded<Float>(count: rows * columns)
      let loss = try classes.withUnsafeBufferPointer { classes in
        let targets: TargetView =
          isSoft ? .values(labels.matrix(rows, columns)) : .classes(classes)
        let alone = try CrossEntropy().compute(z.matrix(rows, columns), targets)
        let both = try CrossEntropy().computeWithDerivative(
          z.matrix(rows, columns), targets, batchRows: 19,
          into: gradient.mutableMatrix(rows, columns))
        #expect(alone == both)
        return both
      }
      var (exact, magnitude) = (0.0, 0.0)
      for row in 0..<rows {
        let places = row * columns..<(row + 1) * columns
        let (p, logSum) = softmax(z.values[places].map(Double.init))
        let y = (0..<columns).map {
          isSoft ? Double(labels.base[row * columns + $0]) : Int(classes[row]) == $0 ? 1 : 0
        }
        let weight = sum(y)
        for (j, place) in places.enumerated() {
          let term = y[j] * (logSum - Double(z.base[place]))
          (exact, magnitude) = (exact + term, magnitude + abs(term) + y[j])
          let wanted = (p[j] * weight - y[j]) / 19
          #expect(units(gradient.base[place], wanted, of: (p[j] * weight + y[j]) / 19) <= 5)
        }
      }
      #expect(abs(loss - exact) <= 4 * 0x1p-23 * magnitude)
      #expect(z.isIntact && labels.isIntact && gradient.isIntact)
    }
  }

  @Test("squared errors: gradients within 2 units, losses those of Float64", arguments: oddLengths)
  func squaredError(columns: Int) throws {
    for rows in [1, 3, 17] {
      var numbers = Numbers(columns + rows)
      let y = Guarded(numbers.array(rows * columns))
      let labels = Guarded(numbers.array(rows * columns))
      let gradient = Guarded<Float>(count: rows * columns)
      let loss = try MeanSquaredError().computeWithDerivative(
        y.matrix(rows, columns), .values(labels.matrix(rows, columns)), batchRows: 19,
        into: gradient.mutableMatrix(rows, columns))
      var exact = 0.0
      for i in 0..<rows * columns {
        let difference = Double(y.base[i]) - Double(labels.base[i])
        exact += difference * difference
        #expect(units(gradient.base[i], 2 * difference / 19) <= 2)
      }
      #expect(abs(loss - exact) <= exact * 0x1p-52 * Double(rows * columns))
      #expect(y.isIntact && labels.isIntact && gradient.isIntact)
    }
  }

  @Test("exponentials of a row, their sum and its scaling stay in the row", arguments: oddLengths)
  func exponentials(columns: Int) {
    var numbers = Numbers(columns)
    let z = Guarded(numbers.array(columns).map { $0 * 8 })
    let result = Guarded<Float>(count: columns)
    let (maximum, found) = Softmax.exponentials(z.base, columns, into: result.base)
    #expect(maximum == z.values.max())
    #expect(Softmax.maximumAndSum(z.base, columns) == (maximum, found))
    let exact = z.values.map { exp(Double($0) - Double(maximum)) }
    // The difference of two logits is rounded, by half a unit of at most 32.
    #expect(zip(result.values, exact).allSatisfy { units($0, $1) <= 2 + 16 })
    #expect(abs(found - sum(exact)) <= found * 18 * 0x1p-23)
    let before = result.values
    Softmax.scale(result.base, columns, by: 0.3)
    #expect(result.values == before.map { $0 * 0.3 })
    #expect(result.isIntact && z.isIntact)
  }
}
