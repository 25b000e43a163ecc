// SPDX-License-Identifier: Apache-2.0
import Coordination
import Foundation
import TestSupport
import Testing

@Suite("Ranks as a group")
struct AgreementTests {
  @Test(
    "agree on verdicts, and name who differs", arguments: 1...4)
  func agreement(ranks: Int) throws {
    let result = try mpirun(ranks: ranks, productURL(named: "RankChecks").path, ["agreement"])
    #expect(result.status == 0, "\(result.standardError)")
  }

  @Test(
    "find one flipped bit in one rank's weights, and name rank, step, layer and tensor",
    arguments: 1...4)
  func drift(ranks: Int) throws {
    let result = try mpirun(ranks: ranks, productURL(named: "RankChecks").path, ["drift"])
    #expect(result.status == 0, "\(result.standardError)")
  }
}
