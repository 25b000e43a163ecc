// SPDX-License-Identifier: Apache-2.0
import Foundation
import GoldenSupport
import NeuralCore
import TestSupport
import Testing
import Training

@Suite("Networks that options make, against references")
struct ModelGoldenTests {
  @Test("Networks made from options, and again from a checkpoint's description, agree with PyTorch")
  func combinations() throws {
    let file = try GoldenFile.load(
      URL(fileURLWithPath: packagePath("Tests/NeuralCoreTests/Resources/combinations.json")))
    // The first layer has no residual connection with --residual.
    let cases = file.cases.filter { $0.residual != true || $0.widths[0] != $0.widths[1] }
    #expect(cases.count >= 60)
    for golden in cases {
      let options = try options(golden)
      var model = ModelDescription(
        options, inputs: golden.widths[0], outputs: golden.widths[golden.widths.count - 1],
        labels: [])
      model = try ModelDescription(json: model.json, path: golden.name)
      let network = try model.makeNetwork(
        optimizer: golden.optimizer.make(), clipNorm: golden.clip, seed: golden.seed ?? 0,
        dropout: options.dropoutProbabilities)
      network.maxNorm = golden.optimizer.maxNorm
      let mismatches = try GoldenRun(golden, of: file, network: network)
        .run(compareGradients: true)
      #expect(mismatches.isEmpty, "\(golden.name): \(mismatches)")
    }
  }

  private func options(_ golden: GoldenFile.Case) throws -> TrainingOptions {
    var options = TrainingOptions()
    options.layers = Array(golden.widths.dropFirst().dropLast())
    options.activation = try #require(ActivationName(rawValue: golden.activation))
    let loss: LossName = try #require(LossName(rawValue: golden.loss))
    options.loss = loss
    switch options.loss {
    case .huber: options.huberDelta = golden.lossParameter
    case .quantile: options.quantile = golden.lossParameter
    default: options.labelSmoothing = golden.lossParameter ?? 0
    }
    let norm: NormName = try #require(NormName(rawValue: golden.norm ?? ""))
    options.norm = norm
    options.batchNormBackward = try #require(BatchNormBackwardName(rawValue: golden.mode))
    options.batchNormMomentum = golden.batchNormMomentum
    options.epsilon = golden.batchNormEpsilon
    options.residual = golden.residual ?? false
    let dropout = golden.dropout ?? []
    // One value is for all hidden layers.
    options.dropout = Set(dropout).count == 1 ? [dropout[0]] : dropout
    options.inputDropout = golden.inputDropout ?? 0
    return options
  }
}
