// SPDX-License-Identifier: Apache-2.0
import Coordination
import DataParallel
import Foundation
import GoldenSupport
import Machine
import MessagePassing
import NeuralCore

/// Training on several ranks.
let trainingChecks: [String: RankCheck] = [
  "goldens": { try GoldenChecks.run($0) },
  // Each case with several ways to exchange: sharded and all-reduced, and with other slices.
  "optimizer goldens": { try GoldenChecks.run($0, rounds: 4) },
  "combinations": { try GoldenChecks.run($0, rounds: 4) },
  "layers": GoldenChecks.runLayers,
  "local batch norm": LocalNormalizationChecks.run,
]

/// Training on several ranks against the Float64 references of PyTorch.
enum GoldenChecks {
  /// Trains every case on all ranks, compares with the references, and requires the same bits as on
  /// a single replica with the same number of slices.
  ///
  /// The environment variable `LOCKSTEP_GOLDENS` is the path of the reference file.
  ///
  /// - Parameter rounds: how often to go through all cases, with other slices and exchange options.
  static func run(_ environment: MPIEnvironment, rounds: Int = 1) throws {
    let file = try GoldenFile.load(path)
    let groups = try groups(environment)
    for (index, golden) in (0..<rounds).flatMap({ round in
      file.cases.enumerated().map { ($0.offset + 37 * round, $0.element) }
    }) {
      let group = groups[index % groups.count]
      // Slices, local groups, streaming stores, exchange options and bucket size alternate with
      // different periods, so that they are combined with all kinds of cases.
      let slices = [group.size, group.size + 3, 16][index % 3]
      let exchange = ExchangeOptions(
        mode: index % 4 < 3 ? .sharded : .allReduce,
        schedule: index / 5 % 3 < 2 ? .direct : .halving,
        transport: index % 7 < 6 ? .auto : .messages,
        bucketBytes: [1, 4096, 1 << 20][index / 3 % 3])
      let run = try GoldenRun(golden, of: file)
      try group.join(run.network, slices: slices, exchange: exchange)
      let mismatches = try run.run(compareGradients: false)
      try require(mismatches.isEmpty, "\(golden.name) with \(slices) slices: \(mismatches)")
      let alone = try GoldenRun(golden, of: file)
      alone.network.replicas = SingleReplica(
        alone.network.store, slices: slices, optimizer: alone.network.optimizer)
      _ = try alone.run(compareGradients: false)
      try require(
        alone.network.store.digest() == run.network.store.digest(),
        "\(golden.name) with \(slices) slices: different bits than on a single replica")
      try compareOptimizerState(group, alone.network, golden.name)
    }
  }

  private static var path: URL {
    URL(fileURLWithPath: ProcessInfo.processInfo.environment["LOCKSTEP_GOLDENS"] ?? "")
  }

  private static func groups(_ environment: MPIEnvironment) throws -> [MPIProcessGroup] {
    try hostAssignments(ranks: environment.world.size).flatMap { machines in
      try [false, true].map {
        try MPIProcessGroup(
          environment.world.duplicate(), host: Host.name, machines: machines,
          streamingStores: $0)
      }
    }
  }

  /// The same for the networks of `layers.json`, which have dropout, layer norm and residual
  /// connections, each with both exchanges.
  static func runLayers(_ environment: MPIEnvironment) throws {
    let file = try LayerGoldenFile.load(path)
    let groups = try groups(environment)
    for (index, golden) in file.cases.enumerated() {
      for mode in [ExchangeOptions.Mode.sharded, .allReduce] {
        let group = groups[(index + (mode == .sharded ? 0 : 3)) % groups.count]
        let slices = [group.size, group.size + 2, 7, 16][index % 4]
        let exchange = ExchangeOptions(
          mode: mode, schedule: index % 3 < 2 ? .direct : .halving,
          transport: index % 5 < 4 ? .auto : .messages,
          bucketBytes: [1, 4096, 1 << 20][index % 3])
        let run = try LayerGoldenRun(golden)
        try group.join(run.network, slices: slices, exchange: exchange)
        let mismatches = try run.run(compareGradients: false)
        try require(mismatches.isEmpty, "\(golden.name), \(mode): \(mismatches)")
        let alone = try LayerGoldenRun(golden)
        alone.network.replicas = SingleReplica(
          alone.network.store, slices: slices, optimizer: alone.network.optimizer)
        _ = try alone.run(compareGradients: false)
        try require(
          alone.network.store.digest() == run.network.store.digest(),
          "\(golden.name), \(mode), \(slices) slices: different bits than on a single replica")
        try compareOptimizerState(group, alone.network, golden.name)
      }
    }
  }

  /// Which ranks share memory, as host numbers: all ranks, pairs, and all but the first, as hosts
  /// are filled in order (`--map-by slot`); every other rank, as they are placed round-robin
  /// (`--map-by node`).
  private static func hostAssignments(ranks: Int) -> [[Int]?] {
    [nil, (0..<ranks).map { $0 / 2 }, (0..<ranks).map { min($0, 1) }, (0..<ranks).map { $0 % 2 }]
  }

  private static func compareOptimizerState(
    _ group: MPIProcessGroup, _ alone: NeuralNetwork, _ name: String
  ) throws {
    let gathered = try group.gatherOptimizerState()
    guard group.rank == 0, let single = alone.replicas as? SingleReplica else { return }
    try require(
      gathered.map { Array($0.elements) } == single.optimizerState.map { Array($0.elements) },
      "\(name): different optimizer state than on a single replica")
  }
}

/// Batch norm whose statistics each rank computes over its own rows (`Scope.replica`).
enum LocalNormalizationChecks {
  /// The gradient is then the sum of the gradients of each rank's rows as a batch of their own,
  /// weighted by their share of the rows, and SGD must change the weights accordingly.
  static func run(_ environment: MPIEnvironment) throws {
    let group = try MPIProcessGroup(environment.world.duplicate(), host: Host.name)
    for (index, rows) in [37, 24, 5].enumerated() {
      let data = samples(rows: rows, seed: UInt64(index))
      let together = try makeNetwork(scope: .replica)
      let start = Array(together.store.parameters.elements)
      try group.join(together, slices: group.size, exchange: ExchangeOptions())
      try train(together, data, together.replicas.slices.ownedRows(batchRows: rows), of: rows)

      var expected = start.map(Double.init)
      for rank in 0..<group.size {
        let part = SlicePartition(count: group.size, rank: rank, of: group.size)
          .ownedRows(batchRows: rows)
        guard !part.isEmpty else { continue }
        let alone = try makeNetwork(scope: .batch)
        try train(alone, data, part, of: part.count)
        for element in expected.indices {
          let change = Double(alone.store.parameters.elements[element]) - Double(start[element])
          expected[element] += change * Double(part.count) / Double(rows)
        }
      }
      let mismatches = GoldenRun.compare(
        "weights", together.store.parameters.elements.map(Double.init), expected, tolerance: 1e-5)
      try require(mismatches.isEmpty, "\(rows) rows: \(mismatches)")
      try requireGlobalStatistics(together, data, rows)
    }
  }

  /// The running statistics of the first layer must still be those of the global batch.
  private static func requireGlobalStatistics(
    _ network: NeuralNetwork, _ data: Samples, _ rows: Int
  ) throws {
    let whole = try makeNetwork(scope: .batch)
    try train(whole, data, 0..<rows, of: rows)
    for entry in whole.store.table.entries where entry.isStatistic && entry.layer == 0 {
      let mismatches = GoldenRun.compare(
        entry.name, network.store.elements(of: entry).map(Double.init),
        whole.store.elements(of: entry).map(Double.init), tolerance: 1e-5)
      try require(mismatches.isEmpty, "\(mismatches)")
    }
  }

  private typealias Samples = (inputs: AlignedBuffer<Float>, classes: AlignedBuffer<Int32>)
  private static let features = 6
  private static let outputs = 4

  private static func samples(rows: Int, seed: UInt64) -> Samples {
    let inputs = AlignedBuffer(
      (0..<rows * features).map { Float(sin(Double($0 * $0) + 10 * Double(seed))) })
    let classes = AlignedBuffer((0..<rows).map { Int32($0 * 7 % outputs) })
    return (inputs, classes)
  }

  private static func makeNetwork(scope: BatchNormalization.Scope) throws -> NeuralNetwork {
    let norm = BatchNormalization(scope: scope)
    return try NeuralNetwork(
      layers: [
        FullyConnectedLayer(
          inputs: features, outputs: 5, activation: Sigmoid(), normalization: norm),
        FullyConnectedLayer(
          inputs: 5, outputs: outputs, activation: Identity(), normalization: norm),
      ], loss: CrossEntropy(), optimizer: VanillaSGDOptimizer(),
      schedule: LearningRateSchedule(base: 0.5), seed: 3)
  }

  private static func train(
    _ network: NeuralNetwork, _ data: Samples, _ rows: Range<Int>, of batchRows: Int
  ) throws {
    try withExtendedLifetime(data) {
      _ = try network.train(
        Batch(
          globalRows: batchRows,
          inputs: MatrixView(
            data.inputs.base + rows.lowerBound * features, rows: rows.count, columns: features),
          targets: .classes(UnsafeBufferPointer(rebasing: data.classes.elements[rows]))))
    }
  }
}
