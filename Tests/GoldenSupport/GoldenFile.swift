// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// The Float64 references in `goldens.json` and `combinations.json`.
///
/// `Tests/Goldens/README.md` documents the keys. The optional ones of a case are those of
/// `combinations.json` alone.
package struct GoldenFile: Decodable {
  package struct Layer: Decodable {
    package let weight: [[Double]]
    package let bias: [Double]
    /// Absent from the results of networks without normalization.
    package let gamma, beta: [Double]?
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
    package let alpha, trustCoefficient: Double?
  }
  package struct Expected: Decodable {
    package let losses, gradientNorms: [Double]
    package let firstGradients, finalParameters: [Layer]
    /// One per layer with batch norm.
    package let runningStatistics: [Statistics]
    package let inference: [[Double]]
  }
  package struct Case: Decodable {
    package let name, activation, loss, mode, initial, inputs, targets: String
    package let widths: [Int]
    /// Absent for losses without a parameter.
    package let lossParameter: Double?
    package let optimizer: Optimizer
    package let learningRates: [Double]
    package let clip: Double?
    package let batchNormEpsilon, batchNormMomentum: Double
    /// Absent where false.
    package let batchNormAveraging: Bool?
    /// Absent where they are `inputs`.
    package let inferenceInputs: String?
    package let norm: String?
    package let residual: Bool?
    package let dropout: [Double]?
    package let inputDropout, maxNorm: Double?
    package let seed: UInt64?
    /// The name of the rows' weights; absent without any.
    package let weights: String?
    package let expected: Expected
  }

  package let inputs: [String: [[[Double]]]]
  package let targets: [String: Targets]
  package let weights: [String: [[Double]]]?
  package let initials: [String: [Layer]]
  package let cases: [Case]

  package static func load(_ url: URL) throws -> GoldenFile {
    try JSONDecoder().decode(GoldenFile.self, from: Data(contentsOf: url))
  }
}

package enum GoldenError: Error {
  case missing(String)
}
