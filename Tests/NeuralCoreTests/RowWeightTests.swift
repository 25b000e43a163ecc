// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralCore
import Testing

/// The logarithm of the hyperbolic cosine of the errors, as a user would write it.
private struct LogCosh: LossFunction {
  func compute(_ outputs: MatrixView, _ targets: TargetView) throws -> Double {
    guard case .values(let y) = targets else { return .nan }
    return zip(outputs.elements, y.elements).reduce(0) { $0 + log(cosh(Double($1.0 - $1.1))) }
  }

  func derivative(
    _ outputs: MatrixView, _ targets: TargetView, batchRows: Int,
    into gradient: MutableMatrixView
  ) throws {
    guard case .values(let y) = targets else { return }
    for i in 0..<outputs.elements.count {
      gradient.elements[i] =
        Float(tanh(Double(outputs.elements[i] - y.elements[i]))) / Float(batchRows)
    }
  }
}

@Suite("Weights of rows")
struct RowWeightTests {
  static let rows = 23
  static let columns = 4

  /// Random inputs of some rows, with targets of all kinds.
  private struct Rows {
    let inputs: [Float]
    let classes: [Int32]
    let values: [Float]

    init(_ count: Int) {
      var numbers = Numbers(count)
      inputs = numbers.array(count * columns)
      classes = (0..<count).map { Int32($0 * 5 % 3) }
      values = numbers.array(count * 3)
    }

    private init(inputs: [Float], classes: [Int32], values: [Float]) {
      (self.inputs, self.classes, self.values) = (inputs, classes, values)
    }

    /// Each row as often as its count says.
    func repeated(_ counts: [Int]) -> Rows {
      let rows = counts.indices.flatMap { Array(repeating: $0, count: counts[$0]) }
      return Rows(
        inputs: rows.flatMap { inputs[$0 * columns..<($0 + 1) * columns] },
        classes: rows.map { classes[$0] }, values: rows.flatMap { values[$0 * 3..<$0 * 3 + 3] })
    }
  }

  private struct Outcome {
    let loss: Double
    let accuracy: Double
    let gradient: [Float]
  }

  /// The loss and the gradient of a batch of some rows, of a network without batch norm.
  private func outcome(
    _ rows: Rows, _ weights: [Float]?, _ loss: any LossFunction, ofClasses: Bool, slices: Int
  ) throws -> Outcome {
    let network = try NeuralNetwork(
      layers: [
        FullyConnectedLayer(inputs: 4, outputs: 6, activation: Tanh(), normalization: nil),
        FullyConnectedLayer(inputs: 6, outputs: 3, activation: Identity(), normalization: nil),
      ], loss: loss, optimizer: VanillaSGDOptimizer(), seed: 7)
    network.replicas = SingleReplica(network.store, slices: slices, optimizer: network.optimizer)
    let count = rows.classes.count
    let (x, classes) = (AlignedBuffer(rows.inputs), AlignedBuffer(rows.classes))
    let (values, w) = (AlignedBuffer(rows.values), weights.map { AlignedBuffer($0) })
    return try withExtendedLifetime((x, classes, values, w)) {
      let batch = Batch(
        inputs: x.matrix(rows: count, columns: 4),
        targets: ofClasses
          ? .classes(classes.elements) : .values(values.matrix(rows: count, columns: 3)),
        weights: w?.elements)
      try network.computeGradients(PreparedBatch(batch))
      let gradient = Array(network.store.gradients[0].elements)
      let result = try network.update(after: batch)
      return Outcome(loss: result.loss, accuracy: result.accuracy, gradient: gradient)
    }
  }

  private static let losses: [(loss: any LossFunction, ofClasses: Bool)] = [
    (CrossEntropy(), true), (CrossEntropy(), false), (MeanSquaredError(), true),
    (MeanSquaredError(), false), (LogCosh(), false),
  ]

  @Test("integer weights of mean 1 are the loss and gradient of rows that are repeated as often")
  func repeatedRows() throws {
    let counts = (0..<Self.rows).map { [1, 3, 0, 2, 7][$0 % 5] }
    let total = Float(counts.reduce(0, +))
    let rows = Rows(Self.rows)
    let weights = counts.map { Float($0 * Self.rows) / total }
    for (loss, ofClasses) in Self.losses {
      let weighted = try outcome(rows, weights, loss, ofClasses: ofClasses, slices: 5)
      let repeated = try outcome(
        rows.repeated(counts), nil, loss, ofClasses: ofClasses, slices: 3)
      #expect(abs(weighted.loss - repeated.loss) <= 1e-6 * abs(repeated.loss), "\(loss)")
      let unit = repeated.gradient.map(abs).max() ?? 0
      #expect(
        zip(weighted.gradient, repeated.gradient).allSatisfy { abs($0 - $1) <= 1e-5 * unit },
        "\(loss)")
    }
  }

  @Test(
    "weights of 1 give the bits of the gradient without weights, and no weight changes accuracy")
  func ones() throws {
    let rows = Rows(Self.rows)
    for (loss, ofClasses) in Self.losses {
      let plain = try outcome(rows, nil, loss, ofClasses: ofClasses, slices: 4)
      let ones = try outcome(
        rows, Array(repeating: 1, count: Self.rows), loss, ofClasses: ofClasses, slices: 4)
      #expect(plain.gradient == ones.gradient, "\(loss)")
      #expect(abs(plain.loss - ones.loss) <= 1e-12 * abs(plain.loss), "\(loss)")
      let others = try outcome(
        rows, (0..<Self.rows).map { Float($0 % 4) / 2 }, loss, ofClasses: ofClasses, slices: 4)
      #expect(others.gradient != plain.gradient && others.loss != plain.loss, "\(loss)")
      #expect(others.accuracy == plain.accuracy && ones.accuracy == plain.accuracy, "\(loss)")
    }
  }

  @Test("a row of weight 0 has no part in the loss and in the gradient")
  func zeros() throws {
    let rows = Rows(Self.rows)
    for (loss, ofClasses) in Self.losses {
      let half = (0..<Self.rows).map { $0 % 2 }
      let weighted = try outcome(
        rows, half.map { Float($0) }, loss, ofClasses: ofClasses, slices: 1)
      let alone = try outcome(rows.repeated(half), nil, loss, ofClasses: ofClasses, slices: 1)
      let share = Double(half.reduce(0, +)) / Double(Self.rows)
      #expect(abs(weighted.loss - alone.loss * share) <= 1e-6 * alone.loss, "\(loss)")
    }
  }
}
