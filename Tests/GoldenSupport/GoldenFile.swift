// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// The Float64 references in `goldens.json`; `Tests/Goldens/README.md` describes every key.
package struct GoldenFile: Decodable {
  package struct Layer: Decodable {
    package let weight: [[Double]]
    package let bias: [Double]
    package let gamma: [Double]
    package let beta: [Double]
  }
  package struct Statistics: Decodable {
    package let mean: [Double]
    package let variance: [Double]
  }
  package struct Targets: Decodable {
    package let classes: [[Int32]]?
    package let rows: [[[Double]]]?
  }
  package struct Optimizer: Decodable {
    package let kind: String
    package let momentum, weightDecay, beta1, beta2, epsilon: Double
    package let nesterov: Bool
  }
  package struct Expected: Decodable {
    package let losses, gradientNorms: [Double]
    package let firstGradients, finalParameters: [Layer]
    package let runningStatistics: [Statistics]
    package let inference: [[Double]]
  }
  package struct Case: Decodable {
    package let name, activation, loss, mode, initial, inputs, targets: String
    package let widths: [Int]
    package let optimizer: Optimizer
    package let learningRates: [Double]
    package let clip: Double?
    package let batchNormEpsilon, batchNormMomentum: Double
    package let expected: Expected
  }

  package let inputs: [String: [[[Double]]]]
  package let targets: [String: Targets]
  package let initials: [String: [Layer]]
  package let cases: [Case]

  package static func load(_ url: URL) throws -> GoldenFile {
    try JSONDecoder().decode(GoldenFile.self, from: Data(contentsOf: url))
  }
}
