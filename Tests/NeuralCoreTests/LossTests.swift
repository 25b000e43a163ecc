// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralCore
import Testing

@Suite("Loss functions and softmax")
struct LossTests {
  struct File: Decodable {
    struct Case: Decodable {
      let name, loss: String
      let outputs: [[Double]]
      let classes: [Int32]?
      let targets: [[Double]]?
      let value: Double
      let derivative: [[Double]]
    }
    let cases: [Case]
  }

  @Test("losses and their derivatives agree with exact values, even for logits of +-1e30")
  func values() throws {
    let file = try JSONDecoder().decode(File.self, from: Data(contentsOf: resource("losses.json")))
    #expect(file.cases.count > 50)
    for one in file.cases {
      let (rows, columns) = (one.outputs.count, one.outputs[0].count)
      let outputs = AlignedBuffer(one.outputs.flatMap { $0.map(Float.init) })
      let classes = AlignedBuffer(one.classes ?? [])
      let values = AlignedBuffer((one.targets ?? []).flatMap { $0.map(Float.init) })
      let targets: TargetView =
        one.classes != nil
        ? .classes(classes.elements) : .values(values.matrix(rows: rows, columns: columns))
      let loss: any LossFunction = one.loss == "mse" ? MeanSquaredError() : CrossEntropy()
      let gradient = AlignedBuffer<Float>(count: rows * columns)
      let matrix = outputs.matrix(rows: rows, columns: columns)
      let value = try withExtendedLifetime((outputs, classes, values)) {
        try loss.derivative(
          matrix, targets, batchRows: rows,
          into: gradient.mutableMatrix(rows: rows, columns: columns))
        return try loss.compute(matrix, targets) / Double(rows)
      }
      #expect(
        abs(value - one.value) <= 1e-6 * abs(one.value) + 1e-7, "\(one.name): \(value)")
      for (found, expected) in zip(gradient.elements, one.derivative.flatMap({ $0 })) {
        #expect(
          abs(Double(found) - expected) <= 1e-6 * abs(expected) + 1e-8,
          "\(one.name): \(found), not \(expected)")
      }
    }
  }

  @Test("cross-entropy throws for a class index without an output")
  func classOutOfRange() {
    let outputs = AlignedBuffer<Float>(count: 3)
    let classes = AlignedBuffer<Int32>([3])
    _ = withExtendedLifetime((outputs, classes)) {
      #expect(throws: NeuralCoreError.self) {
        try CrossEntropy().compute(
          outputs.matrix(rows: 1, columns: 3), .classes(classes.elements))
      }
    }
  }

  @Test("softmax of a row of logits is within 4 units in the last place")
  func softmax() throws {
    let logits: [Float] = [-3, -0.5, 0, 1.25, 7, 80, -90]
    let z = AlignedBuffer(logits)
    Softmax.probabilities(z.mutableMatrix(rows: 1, columns: logits.count))
    let exact = logits.map { Foundation.exp(Double($0) - 80) }
    let sum = exact.reduce(0, +)
    for (found, e) in zip(z.elements, exact) {
      #expect(
        abs(Double(found) - e / sum) <= 4 * Double(max(Float(e / sum).ulp, .leastNonzeroMagnitude)))
    }
  }

  /// Softmax and log-sum-exp of a row, in Float64.
  private func reference(_ z: [Double]) -> (probabilities: [Double], logSum: Double) {
    let most = z.max() ?? 0
    let e = z.map { exp($0 - most) }
    let total = sum(e)
    return (e.map { $0 / total }, most + log(total))
  }

  @Test(
    "cross-entropy gradients of classes and soft labels are within 5 units of their terms",
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
        let (p, logSum) = reference(z.values[places].map(Double.init))
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

  @Test(
    "gradients of the squared error are within 2 units, and losses agree with Float64",
    arguments: oddLengths)
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

  @Test(
    "exponentials of a row, their sum and their scaling stay within the row", arguments: oddLengths)
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
