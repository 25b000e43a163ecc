// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralCore
import Testing

@Suite("Losses")
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

  @Test("have the exact values and derivatives, also at logits of +-1e30")
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

  @Test("refuse a class that the network has no output for")
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
}
