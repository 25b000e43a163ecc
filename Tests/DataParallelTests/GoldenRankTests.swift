// SPDX-License-Identifier: Apache-2.0
import Coordination
import Foundation
import TestSupport
import Testing

@Suite("Training on several ranks against references")
struct GoldenRankTests {
  @Test(
    "Several ranks agree with PyTorch in Float64, and bit for bit with one replica of as many slices",
    arguments: 1...5, ["goldens", "weighted"])
  func goldens(ranks: Int, file: String) throws {
    let goldens = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent()
      .appendingPathComponent("NeuralCoreTests/Resources/\(file).json")
    let result = try mpirun(
      ranks: ranks, productURL(named: "RankChecks").path, ["goldens"],
      environment: ["LOCKSTEP_GOLDENS": goldens.path])
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
