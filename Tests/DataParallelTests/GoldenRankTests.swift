// SPDX-License-Identifier: Apache-2.0
import Coordination
import Foundation
import TestSupport
import Testing

@Suite("Training on several ranks against references")
struct GoldenRankTests {
  @Test(
    "Several ranks agree with PyTorch in Float64, and bit for bit with one replica of as many slices",
    arguments: 1...5,
    [
      ("goldens", "goldens.json"), ("goldens", "weighted.json"),
      ("optimizer goldens", "optimizers.json"), ("combinations", "combinations.json"),
    ])
  func goldens(ranks: Int, check: (name: String, file: String)) throws {
    let goldens = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent()
      .appendingPathComponent("NeuralCoreTests/Resources/\(check.file)")
    let result = try mpirun(
      ranks: ranks, productURL(named: "RankChecks").path, [check.name],
      environment: ["LOCKSTEP_GOLDENS": goldens.path])
    #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
  }

  @Test(
    "Dropout, layer norm and residual connections give the bits of one replica on several ranks, and PyTorch's results",
    arguments: 1...5)
  func layers(ranks: Int) throws {
    let result = try mpirun(
      ranks: ranks, productURL(named: "RankChecks").path, ["layers"],
      environment: [
        "LOCKSTEP_GOLDENS": packagePath("Tests/NeuralCoreTests/Resources/layers.json")
      ])
    #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
  }

  @Test(
    "Local batch norm normalizes each rank's rows by their own statistics alone",
    arguments: 1...5)
  func localNormalization(ranks: Int) throws {
    let result = try mpirun(
      ranks: ranks, productURL(named: "RankChecks").path, ["local batch norm"])
    #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
  }
}
