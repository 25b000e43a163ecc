// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralCore
import Testing

@Suite("Activations and the exponential")
struct ActivationTests {
  struct File: Decodable {
    let x: [Double]
    let exp: [Double?]
    let sigmoid: [Double]
  }

  @Test("the sigmoid is within 4 units in the last place everywhere")
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

  @Test("softmax of a row of logits is exact to 4 units in the last place")
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

  @Test("derivatives are those that finite differences give", arguments: [0, 1, 2])
  func derivatives(which: Int) {
    let function: any ActivationFunction = [Relu(), Sigmoid(), Identity()][which]
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

  @Test("NaN goes through every function")
  func notANumber() {
    for function in [Relu(), Sigmoid(), Identity()] as [any ActivationFunction] {
      var y: [Float] = [0]
      [Float.nan].withUnsafeBufferPointer { x in
        y.withUnsafeMutableBufferPointer { function.apply(x, into: $0) }
      }
      #expect(y[0].isNaN)
    }
  }
}
