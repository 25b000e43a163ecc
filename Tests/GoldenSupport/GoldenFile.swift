// SPDX-License-Identifier: Apache-2.0
package import Foundation
package import NeuralCore

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
    /// Absent where the optimizer doesn't have them.
    package let rho, trustCoefficient: Double?
    /// Absent where there is no limit.
    package let maxNorm: Double?

    /// The optimizer with these settings.
    package func make() throws -> any NeuralCore.Optimizer {
      let (momentum, decay) = (Float(momentum), Float(weightDecay))
      switch (kind, rho, trustCoefficient) {
      case ("sgd", nil, nil):
        return VanillaSGDOptimizer(momentum: momentum, nesterov: nesterov, weightDecay: decay)
      case ("adam", nil, nil):
        return AdamOptimizer(
          beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
      case ("rmsprop", let rho?, nil):
        return RMSPropOptimizer(
          rho: rho, epsilon: epsilon, momentum: momentum, weightDecay: decay)
      case ("lamb", nil, nil):
        return LAMBOptimizer(
          beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
      case ("lars", nil, let trust?):
        return LARSOptimizer(momentum: momentum, weightDecay: decay, trustCoefficient: trust)
      default: throw GoldenError.missing("optimizer \(kind)")
      }
    }
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
    /// Per step the weight of each row; absent where all weigh 1.
    package let weights: [[Double]]?
    package let norm: String?
    package let residual: Bool?
    package let dropout: [Double]?
    package let inputDropout: Double?
    package let seed: UInt64?
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

package enum GoldenError: Error {
  case missing(String)
}
