// SPDX-License-Identifier: Apache-2.0
import Foundation
import GoldenSupport
import NeuralCore
import Testing

/// The file `name` among this target's resources.
func resource(_ name: String) throws -> URL {
  try #require(Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "Resources"))
}

@Suite("Training agrees with PyTorch in Float64")
struct GoldenTests {
  @Test("in every case, whatever the number of slices", arguments: [1, 2, 3, 4, 7, 16])
  func cases(slices: Int) throws {
    let file = try GoldenFile.load(resource("goldens.json"))
    #expect(file.cases.count >= 100)
    for golden in file.cases {
      let run = try GoldenRun(golden, of: file)
      run.network.replicas = SingleReplica(
        run.network.store, slices: slices, optimizer: run.network.optimizer)
      let misses = try run.run(compareGradients: true)
      #expect(misses.isEmpty, "\(golden.name): \(misses)")
    }
  }

  @Test("and the comparison notices a changed learning rate")
  func mustFail() throws {
    let file = try GoldenFile.load(resource("goldens.json"))
    let run = try GoldenRun(file.cases[0], of: file)
    run.network.clipNorm = 1e-3
    #expect(try !run.run(compareGradients: true).isEmpty)
  }
}
