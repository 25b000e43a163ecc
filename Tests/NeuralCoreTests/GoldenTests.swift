// SPDX-License-Identifier: Apache-2.0
import Foundation
import GoldenSupport
import NeuralCore
import Testing

/// The file `name` of this target's resources.
func resource(_ name: String) throws -> URL {
  try #require(Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "Resources"))
}

@Suite("Agreement with PyTorch")
struct GoldenTests {
  @Test(
    "training agrees with PyTorch in Float64 in all cases, for any number of slices",
    arguments: [1, 2, 3, 4, 7, 16])
  func cases(slices: Int) throws {
    let file = try GoldenFile.load(resource("goldens.json"))
    #expect(file.cases.count >= 154)
    #expect(file.cases.count { $0.batchNormAveraging == true } >= 11)
    for golden in file.cases {
      let run = try GoldenRun(golden, of: file)
      run.network.replicas = SingleReplica(
        run.network.store, slices: slices, optimizer: run.network.optimizer)
      let mismatches = try run.run(compareGradients: true)
      #expect(mismatches.isEmpty, "\(golden.name): \(mismatches)")
    }
  }

  @Test(
    "RMSProp, LAMB, LARS and max-norm agree with Float64 references, for any number of slices",
    arguments: [1, 2, 3, 7, 16])
  func optimizers(slices: Int) throws {
    let file = try GoldenFile.load(resource("optimizers.json"))
    #expect(file.cases.count >= 20)
    for golden in file.cases {
      let run = try GoldenRun(golden, of: file)
      run.network.replicas = SingleReplica(
        run.network.store, slices: slices, optimizer: run.network.optimizer)
      let mismatches = try run.run(compareGradients: true)
      #expect(mismatches.isEmpty, "\(golden.name): \(mismatches)")
    }
  }

  @Test(
    "training with weights of rows and classes agrees with PyTorch, for any number of slices",
    arguments: [1, 2, 3, 7, 16])
  func weighted(slices: Int) throws {
    let file = try GoldenFile.load(resource("weighted.json"))
    #expect(file.cases.count >= 14)
    for golden in file.cases {
      #expect(golden.weights != nil)
      let run = try GoldenRun(golden, of: file)
      run.network.replicas = SingleReplica(
        run.network.store, slices: slices, optimizer: run.network.optimizer)
      let mismatches = try run.run(compareGradients: true)
      #expect(mismatches.isEmpty, "\(golden.name): \(mismatches)")
    }
  }

  @Test(
    "combinations of all options agree with PyTorch in Float64, for any number of slices",
    arguments: [1, 2, 3, 4, 7, 16])
  func combinations(slices: Int) throws {
    let file = try GoldenFile.load(resource("combinations.json"))
    #expect(file.cases.count >= 114)
    for golden in file.cases {
      let run = try GoldenRun(golden, of: file)
      run.network.replicas = SingleReplica(
        run.network.store, slices: slices, optimizer: run.network.optimizer)
      let mismatches = try run.run(compareGradients: true)
      #expect(mismatches.isEmpty, "\(golden.name): \(mismatches)")
    }
  }

  @Test("the comparison with combinations detects the dropout masks of another step")
  func otherMasks() throws {
    let file = try GoldenFile.load(resource("combinations.json"))
    for golden in file.cases
    where golden.inputDropout != 0 || golden.dropout?.contains(where: { $0 > 0 }) == true {
      let run = try GoldenRun(golden, of: file)
      run.network.stepsDone = 1
      let mismatches = try run.run(compareGradients: true)
      #expect(mismatches.contains { $0.hasPrefix("loss 0") }, "\(golden.name)")
    }
  }

  @Test("finite differences agree with the gradients of all combinations that are smooth")
  func finiteDifferences() throws {
    let file = try GoldenFile.load(resource("combinations.json"))
    // Through the statistics of the batch, and away from kinks.
    let smooth = file.cases.filter {
      $0.mode == "exact" && !["relu", "leaky-relu"].contains($0.activation)
        && !["mae", "quantile"].contains($0.loss)
    }
    #expect(smooth.count >= 40)
    for golden in smooth {
      let run = try GoldenRun(golden, of: file)
      let report = try run.withBatch(ofStep: 0) {
        try GradientCheck.run(run.network, on: $0, maximumElements: 8)
      }
      #expect(report.largestRelativeError < 5e-3, "\(golden.name): \(report)")
    }
  }

  @Test("the comparison with references detects that max-norm is missing")
  func missingMaxNorm() throws {
    let file = try GoldenFile.load(resource("optimizers.json"))
    let golden = try #require(file.cases.first { $0.name == "max-norm momentum" })
    let run = try GoldenRun(golden, of: file)
    run.network.maxNorm = nil
    #expect(try !run.run(compareGradients: true).isEmpty)
  }

  @Test("the comparison with PyTorch detects an unexpected gradient clipping")
  func mustFail() throws {
    let file = try GoldenFile.load(resource("goldens.json"))
    let run = try GoldenRun(file.cases[0], of: file)
    run.network.clipNorm = 1e-3
    #expect(try !run.run(compareGradients: true).isEmpty)
  }
}
