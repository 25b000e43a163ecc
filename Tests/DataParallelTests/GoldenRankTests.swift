// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("Training on several ranks")
struct GoldenRankTests {
  @Test(
    "agrees with PyTorch in Float64, and to the bit with one replica of as many slices",
    arguments: 1...5)
  func goldens(ranks: Int) throws {
    let goldens = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent()
      .appendingPathComponent("NeuralCoreTests/Resources/goldens.json")
    let result = try mpirun(
      ranks: ranks, productURL(named: "RankChecks").path, ["goldens"],
      environment: ["LOCKSTEP_GOLDENS": goldens.path])
    #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
  }

  @Test(
    "with local batch norm moves weights by what each rank's rows give alone",
    arguments: 1...5)
  func localNormalization(ranks: Int) throws {
    let result = try mpirun(
      ranks: ranks, productURL(named: "RankChecks").path, ["local batch norm"])
    #expect(result.status == 0, "\(result.standardOutput)\(result.standardError)")
  }
}
