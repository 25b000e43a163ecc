// SPDX-License-Identifier: Apache-2.0
import Coordination
import DataParallel
import Foundation
import GoldenSupport
import MessagePassing
import NeuralCore

/// What must hold of training, by name.
let trainingChecks: [String: RankCheck] = [
  "goldens": GoldenChecks.run, "local batch norm": LocalNormalizationChecks.run,
]

/// What must hold of training over several ranks, against the Float64 references.
enum GoldenChecks {
  /// Trains every case on all ranks, and compares with the references and with the bits that one
  /// replica gets with the same slices.
  ///
  /// The environment variable `LOCKSTEP_GOLDENS` names the file of references.
  static func run(_ environment: MPIEnvironment) throws {
    let path = ProcessInfo.processInfo.environment["LOCKSTEP_GOLDENS"] ?? ""
    let file = try GoldenFile.load(URL(fileURLWithPath: path))
    let groups = try divisions(ofRanks: environment.world.size).flatMap { machines in
      try [false, true].map {
        try MPIProcessGroup(
          environment.world.duplicate(), host: environment.host, machines: machines,
          streamingStores: $0)
      }
    }
    for (index, golden) in file.cases.enumerated() {
      let group = groups[index % groups.count]
      // Slices, teams, ways to write what is shared, exchange and bucket size go round, so that all
      // meet with all kinds of cases.
      let slices = [group.size, group.size + 3, 16][index % 3]
      let exchange = ExchangeOptions(
        mode: index % 4 < 3 ? .sharded : .allReduce,
        schedule: index / 5 % 3 < 2 ? .direct : .halving,
        transport: index % 7 < 6 ? .auto : .messages,
        bucketBytes: [1, 4096, 1 << 20][index / 3 % 3])
      let run = try GoldenRun(golden, of: file)
      try group.join(run.network, slices: slices, exchange: exchange)
      let misses = try run.run(compareGradients: false)
      try require(misses.isEmpty, "\(golden.name) with \(slices) slices: \(misses)")
      let alone = try GoldenRun(golden, of: file)
      alone.network.replicas = SingleReplica(
        alone.network.store, slices: slices, optimizer: alone.network.optimizer)
      _ = try alone.run(compareGradients: false)
      try require(
        alone.network.store.digest() == run.network.store.digest(),
        "\(golden.name) with \(slices) slices: other bits than on one replica")
      try compareMoments(group, alone.network, golden.name)
    }
  }

  /// Which ranks share memory: all, as on one machine; by pairs, and all but the first, as on machines
  /// that are filled in order; every other rank, as on machines that are dealt out to.
  private static func divisions(ofRanks ranks: Int) -> [[Int]?] {
    [nil, (0..<ranks).map { $0 / 2 }, (0..<ranks).map { min($0, 1) }, (0..<ranks).map { $0 % 2 }]
  }

  private static func compareMoments(
    _ group: MPIProcessGroup, _ alone: NeuralNetwork, _ name: String
  ) throws {
    let gathered = try group.gatherOptimizerState()
    guard group.rank == 0, let sole = alone.replicas as? SingleReplica else { return }
    try require(
      gathered.map { Array($0.elements) } == sole.optimizerState.map { Array($0.elements) },
      "\(name): other moments than on one replica")
  }
}
