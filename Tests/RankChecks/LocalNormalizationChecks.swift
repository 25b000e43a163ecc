// SPDX-License-Identifier: Apache-2.0
import Coordination
import DataParallel
import Foundation
import GoldenSupport
import MessagePassing
import NeuralCore

/// What must hold of batch norm over each rank's own rows.
enum LocalNormalizationChecks {
  /// The gradient of such a batch is the sum of what each rank's rows give as a batch of their own,
  /// each weighted with its share of the rows; so SGD must move the weights by that sum.
  static func run(_ environment: MPIEnvironment) throws {
    let group = try MPIProcessGroup(environment.world.duplicate(), host: environment.host)
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
      let misses = GoldenRun.compare(
        "weights", together.store.parameters.elements.map(Double.init), expected, tolerance: 1e-5)
      try require(misses.isEmpty, "\(rows) rows: \(misses)")
      try requireWholeStatistics(together, data, rows)
    }
  }

  /// The running statistics of the first layer must be those of the whole batch.
  private static func requireWholeStatistics(
    _ network: NeuralNetwork, _ data: Samples, _ rows: Int
  ) throws {
    let whole = try makeNetwork(scope: .batch)
    try train(whole, data, 0..<rows, of: rows)
    for entry in whole.store.table.entries where entry.isStatistic && entry.layer == 0 {
      let misses = GoldenRun.compare(
        entry.name, network.store.elements(of: entry).map(Double.init),
        whole.store.elements(of: entry).map(Double.init), tolerance: 1e-5)
      try require(misses.isEmpty, "\(misses)")
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
