// SPDX-License-Identifier: Apache-2.0
import Foundation
import GoldenSupport
import NeuralCore
import Testing

@Suite("Loss functions and softmax")
struct LossTests {
  struct File: Decodable {
    struct Case: Decodable {
      let name, loss: String
      let parameter: Double?
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
    #expect(file.cases.count > 190)
    for one in file.cases {
      let (rows, columns) = (one.outputs.count, one.outputs[0].count)
      let outputs = AlignedBuffer(one.outputs.flatMap { $0.map(Float.init) })
      let classes = AlignedBuffer(one.classes ?? [])
      let values = AlignedBuffer((one.targets ?? []).flatMap { $0.map(Float.init) })
      let targets: TargetView =
        one.classes != nil
        ? .classes(classes.elements) : .values(values.matrix(rows: rows, columns: columns))
      let loss = try GoldenNetwork.loss(one.loss, one.parameter)
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
      // Smoothed targets are not 0 or 1, so that terms cancel.
      let floor = one.loss == "cross-entropy" && one.parameter != nil ? 1e-7 : 1e-8
      for (found, expected) in zip(gradient.elements, one.derivative.flatMap({ $0 })) {
        #expect(
          abs(Double(found) - expected) <= 1e-6 * abs(expected) + floor,
          "\(one.name): \(found), not \(expected)")
      }
    }
  }

  static let elementwise: [(String, any LossFunction)] = [
    ("mae", MeanAbsoluteError()), ("huber", Huber(delta: 0.75)), ("poisson", PoissonLoss()),
    ("quantile", QuantileLoss(tau: 0.9)), ("binary-cross-entropy", BinaryCrossEntropy()),
  ]
  static let smoothed = ("label smoothing", CrossEntropy(labelSmoothing: 0.1) as any LossFunction)

  /// Targets that all losses are defined for: probabilities.
  private func probabilities(_ numbers: inout Numbers, _ count: Int) -> [Float] {
    numbers.array(count).map { ($0 + 2) / 4 }
  }

  @Test(
    "the derivative of a loss is the slope between two outputs on either side",
    arguments: elementwise + [smoothed])
  func centralDifferences(name: String, loss: any LossFunction) throws {
    let (rows, columns) = (3, 5)
    var numbers = Numbers(rows)
    let z = Guarded(numbers.array(rows * columns))
    let y = Guarded(probabilities(&numbers, rows * columns))
    let gradient = Guarded<Float>(count: rows * columns)
    try loss.derivative(
      z.matrix(rows, columns), .values(y.matrix(rows, columns)), batchRows: 7,
      into: gradient.mutableMatrix(rows, columns))
    let step: Float = 0x1p-8
    for i in 0..<rows * columns {
      let kept = z.base[i]
      // On either side of a kink, at the target or at delta, a loss is smooth.
      let distance = abs(kept - y.base[i])
      #expect(distance > step)
      if name == "huber", abs(distance - 0.75) <= step { continue }
      var values: [Double] = []
      for output in [kept + step, kept - step] {
        z.base[i] = output
        values.append(
          try loss.compute(z.matrix(rows, columns), .values(y.matrix(rows, columns))))
      }
      let width = Double(kept + step) - Double(kept - step)
      z.base[i] = kept
      let slope = (values[0] - values[1]) / width / 7
      #expect(abs(Double(gradient.base[i]) - slope) < 3e-5, "element \(i): \(slope)")
    }
    #expect(z.isIntact && y.isIntact && gradient.isIntact)
  }

  @Test(
    "losses of elements don't depend on where the elements lie, nor on the call that computes them",
    arguments: elementwise)
  func places(name: String, loss: any LossFunction) throws {
    for columns in [1, 3, 15, 16, 17, 33] {
      for rows in [1, 5, 16, 17] {
        var numbers = Numbers(columns + rows)
        let z = Guarded(numbers.array(rows * columns))
        let y = Guarded(probabilities(&numbers, rows * columns))
        let gradient = Guarded<Float>(count: rows * columns)
        let both = try loss.computeWithDerivative(
          z.matrix(rows, columns), .values(y.matrix(rows, columns)), batchRows: rows,
          into: gradient.mutableMatrix(rows, columns))
        #expect(try loss.compute(z.matrix(rows, columns), .values(y.matrix(rows, columns))) == both)
        var total = 0.0
        for i in 0..<rows * columns {
          let one = Guarded<Float>(count: 1)
          total += try loss.computeWithDerivative(
            MatrixView(z.base + i, rows: 1, columns: 1),
            .values(MatrixView(y.base + i, rows: 1, columns: 1)), batchRows: rows,
            into: one.mutableMatrix(1, 1))
          #expect(one.base[0] == gradient.base[i] && one.isIntact)
        }
        #expect(abs(total - both) <= 1e-13 * abs(total) + 1e-13)
        #expect(z.isIntact && y.isIntact && gradient.isIntact)
      }
    }
  }

  @Test(
    "classes are one-hot rows for losses of elements, and label smoothing takes either alike",
    arguments: elementwise + [smoothed])
  func oneHot(name: String, loss: any LossFunction) throws {
    for columns in [1, 5, 16, 40] {
      let rows = 7
      var numbers = Numbers(columns)
      let z = Guarded(numbers.array(rows * columns))
      let classes = (0..<rows).map { Int32($0 * 11 % columns) }
      let y = Guarded<Float>(count: rows * columns)
      for i in 0..<rows * columns { y.base[i] = Int(classes[i / columns]) == i % columns ? 1 : 0 }
      let gradients = [
        Guarded<Float>(count: rows * columns), Guarded<Float>(count: rows * columns),
      ]
      let losses = try classes.withUnsafeBufferPointer { classes in
        try [.classes(classes), .values(y.matrix(rows, columns))].enumerated().map {
          try loss.computeWithDerivative(
            z.matrix(rows, columns), $1, batchRows: rows,
            into: gradients[$0].mutableMatrix(rows, columns))
        }
      }
      #expect(abs(losses[0] - losses[1]) <= 1e-6 * abs(losses[0]) + 1e-13)
      for (a, b) in zip(gradients[0].values, gradients[1].values) { #expect(abs(a - b) <= 1e-7) }
      #expect(z.isIntact && y.isIntact && gradients.allSatisfy { $0.isIntact })
    }
  }

  @Test(
    "cross-entropy without label smoothing has the bits of the plain one, for all forms of targets")
  func noSmoothing() throws {
    var numbers = Numbers(3)
    let z = Guarded(numbers.array(60))
    let labels = Guarded(probabilities(&numbers, 60))
    let gradients = [Guarded<Float>(count: 60), Guarded<Float>(count: 60)]
    let small = CrossEntropy(labelSmoothing: 1e-12)
    let values: [Double] = try [CrossEntropy(labelSmoothing: 0), CrossEntropy()].enumerated().map {
      try $1.computeWithDerivative(
        z.matrix(3, 20), .values(labels.matrix(3, 20)), batchRows: 3,
        into: gradients[$0].mutableMatrix(3, 20))
    }
    #expect(values[0] == values[1] && gradients[0].values == gradients[1].values)
    let near = try small.compute(z.matrix(3, 20), .values(labels.matrix(3, 20)))
    #expect(abs(near - values[0]) < 1e-9)
    #expect(z.isIntact && labels.isIntact && gradients.allSatisfy { $0.isIntact })
  }

  @Test("losses of elements are 0 or least where outputs are targets, and NaN where an output is")
  func extremes() throws {
    for (name, loss) in Self.elementwise {
      let z = Guarded<Float>([0.5, .nan, 2])
      let y = Guarded<Float>([0.5, 0.5, 0.5])
      #expect(try loss.compute(z.matrix(3, 1), .values(y.matrix(3, 1))).isNaN, "\(name)")
      let gradient = Guarded<Float>(count: 1)
      let value = try loss.computeWithDerivative(
        z.matrix(1, 1), .values(y.matrix(1, 1)), batchRows: 1,
        into: gradient.mutableMatrix(1, 1))
      if ["mae", "huber", "quantile"].contains(name) {
        #expect(value == 0 && gradient.base[0] == 0, "\(name)")
      }
      #expect(z.isIntact && y.isIntact && gradient.isIntact)
    }
    // Beyond the range of Float32 the rate, the loss and the derivative are infinite.
    let z = Guarded<Float>([89])
    let y = Guarded<Float>([1])
    let gradient = Guarded<Float>(count: 1)
    let value = try PoissonLoss().computeWithDerivative(
      z.matrix(1, 1), .values(y.matrix(1, 1)), batchRows: 1, into: gradient.mutableMatrix(1, 1))
    #expect(value == .infinity && gradient.base[0] == .infinity)
    #expect(z.isIntact && y.isIntact && gradient.isIntact)
  }

  @Test(
    "binary cross-entropy and its derivative are within 4 units where the sigmoid rounds to 0 or 1")
  func binaryAccuracy() throws {
    for z in stride(from: Float(-100), through: 100, by: 0.37) {
      for y in [Float(0), 1] {
        let (outputs, targets) = (Guarded([z]), Guarded([y]))
        let gradient = Guarded<Float>(count: 1)
        let loss = try BinaryCrossEntropy().computeWithDerivative(
          outputs.matrix(1, 1), .values(targets.matrix(1, 1)), batchRows: 1,
          into: gradient.mutableMatrix(1, 1))
        // With t = z for y = 0 and -z for y = 1: log(1 + exp(t)), and its slope with that sign.
        let t = y == 0 ? Double(z) : -Double(z)
        let exact = max(t, 0) + log1p(exp(-abs(t)))
        let slope = (y == 0 ? 1 : -1) / (1 + exp(-t))
        #expect(units(Float(loss), exact) <= 4 && units(gradient.base[0], slope) <= 4, "\(z) \(y)")
        #expect(outputs.isIntact && targets.isIntact && gradient.isIntact)
      }
    }
  }

  @Test("outputs are turned into what their loss takes them for")
  func transforms() {
    let logits: [Float] = [-3, 0, 1e30, -1e30, 88, 89]
    let exact: [(any LossFunction, (Double) -> Double)] = [
      (BinaryCrossEntropy(), { 1 / (1 + exp(-$0)) }), (PoissonLoss(), { exp($0) }),
      (Huber(), { $0 }), (MeanSquaredError(), { $0 }),
    ]
    for (loss, function) in exact {
      let z = Guarded(logits)
      loss.outputTransform.apply(z.mutableMatrix(2, 3))
      for (found, logit) in zip(z.values, logits) {
        let expected = function(Double(logit))
        #expect(
          Double(found) == expected || found == Float(expected) || units(found, expected) <= 4,
          "\(logit)")
      }
      #expect(z.isIntact)
    }
    let z = Guarded(logits)
    CrossEntropy().outputTransform.apply(z.mutableMatrix(2, 3))
    #expect(abs(z.values.prefix(3).reduce(0, +) - 1) < 1e-6)
    let p = Guarded<Float>([0.5, 0.49, 0.9, 0])
    let y = Guarded<Float>([1, 0, 0, 0.5])
    #expect(Targets.correctElements(p.matrix(2, 2), .values(y.matrix(2, 2))) == 2)
    #expect(p.isIntact && y.isIntact && z.isIntact)
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
