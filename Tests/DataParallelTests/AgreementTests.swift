// SPDX-License-Identifier: Apache-2.0
import Coordination
import Foundation
import TestSupport
import Testing

@Suite("Agreement of ranks")
struct AgreementTests {
  @Test(
    "All ranks throw the same failure, and a mismatch names the ranks that differ", arguments: 1...4
  )
  func agreement(ranks: Int) throws {
    let result = try mpirun(ranks: ranks, productURL(named: "RankChecks").path, ["agreement"])
    #expect(result.status == 0, "\(result.standardError)")
  }

  @Test(
    "One flipped bit in one rank's weights is found, with rank, step, layer and tensor",
    arguments: 1...4)
  func drift(ranks: Int) throws {
    let result = try mpirun(ranks: ranks, productURL(named: "RankChecks").path, ["drift"])
    #expect(result.status == 0, "\(result.standardError)")
  }
}
