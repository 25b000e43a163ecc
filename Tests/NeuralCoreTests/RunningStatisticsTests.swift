// SPDX-License-Identifier: Apache-2.0
import NeuralCore
import Testing

@Suite("Running statistics")
struct RunningStatisticsTests {
  /// Constant features, and one that varies, the last.
  private static let constants: [Float] = [0.1, 1e30, -3e38, 0x1p-140, 0, 7.7]
  private static let features = constants.count + 1

  private static func network(slices: Int, averaging: Bool = true) throws -> NeuralNetwork {
    let norm = BatchNormalization(averagesFirstBatches: averaging)
    let network = try NeuralNetwork(
      layers: [
        FullyConnectedLayer(
          inputs: features, outputs: 5, activation: Relu(), normalization: norm),
        FullyConnectedLayer(inputs: 5, outputs: 3, activation: Identity(), normalization: norm),
      ], loss: CrossEntropy(), optimizer: VanillaSGDOptimizer(), seed: 1)
    network.replicas = SingleReplica(network.store, slices: slices, optimizer: network.optimizer)
    return network
  }

  private static func rows(_ count: Int, seed: Int) -> Guarded<Float> {
    var numbers = Numbers(seed)
    return Guarded((0..<count).flatMap { _ in constants + [numbers.next() * 3 + 500] })
  }

  private static func train(_ network: NeuralNetwork, _ rows: Int, step: Int) throws {
    let x = Self.rows(rows, seed: step + 1)
    let classes = AlignedBuffer((0..<rows).map { Int32($0 * 7 % 3) })
    try withExtendedLifetime((x, classes)) {
      _ = try network.train(
        Batch(inputs: x.matrix(rows, features), targets: .classes(classes.elements)))
    }
  }

  private static func statistic(_ name: String, _ network: NeuralNetwork, layer: Int = 0) throws
    -> [Float]
  {
    let entry = try #require(
      network.store.table.entries.first { $0.name == "layers.\(layer).norm.\(name)" })
    return Array(network.store.elements(of: entry))
  }

  @Test("The first update replaces the initial values by the batch's statistics, bit for bit")
  func firstUpdate() throws {
    let network = try Self.network(slices: 1)
    for entry in network.store.table.entries where entry.isStatistic {
      for j in network.store.elements(of: entry).indices {
        network.store.elements(of: entry)[j] = 12345.678
      }
    }
    try Self.train(network, 37, step: 0)
    let x = Self.rows(37, seed: 1)
    let stride = Vectors.padded(Self.features)
    let statistics = Guarded<Double>(count: 2 * stride)
    let scratch = Guarded<Float>(count: BatchStatistics.scratchCount(columns: Self.features))
    BatchStatistics.compute(
      x.matrix(37, Self.features), into: statistics.base, scratch: scratch.base)
    let (mean, variance) = (
      try Self.statistic("running_mean", network), try Self.statistic("running_var", network)
    )
    for j in 0..<Self.features {
      #expect(mean[j] == Float(statistics.base[j]))
      #expect(variance[j] == Float(statistics.base[stride + j] * (1 / 37)))
    }
  }

  @Test(
    "Constant features have a running variance of exactly 0 for any number of slices",
    arguments: [1, 2, 5, 16, 40])
  func constants(slices: Int) throws {
    let network = try Self.network(slices: slices)
    for step in 0..<25 { try Self.train(network, [300, 37, 1][step % 3], step: step) }
    let mean = try Self.statistic("running_mean", network)
    let variance = try Self.statistic("running_var", network)
    #expect(variance.dropLast().allSatisfy { $0 == 0 } && variance[Self.features - 1] > 0)
    #expect(Array(mean.dropLast()) == Self.constants)
  }

  @Test("Inference ignores the values of features that never varied", arguments: [true, false])
  func inference(averaging: Bool) throws {
    let network = try Self.network(slices: 3, averaging: averaging)
    for step in 0..<12 { try Self.train(network, 64, step: step) }
    let varied: Float = 501
    let others: [[Float]] = [
      [0, 0, 0, 0, 0, 0], [-1e6, -1e30, 3e38, 1, 2, 3],
      Array(repeating: .greatestFiniteMagnitude, count: 6),
    ]
    let x = Guarded(([Self.constants] + others).flatMap { $0 + [varied] })
    let outputs = try withExtendedLifetime(x) {
      Array(try network.infer(x.matrix(4, Self.features)).elements)
    }
    let first = Array(outputs.prefix(3))
    for row in 1..<4 {
      #expect((Array(outputs[3 * row..<3 * row + 3]) == first) == averaging)
    }
    #expect(!averaging || outputs.allSatisfy(\.isFinite))
  }

  @Test("Without averaging, the first updates use the momentum, from mean 0 and variance 1")
  func plainMomentum() throws {
    let (plain, averaging) = (
      try Self.network(slices: 2, averaging: false), try Self.network(slices: 2)
    )
    for network in [plain, averaging] { try Self.train(network, 50, step: 0) }
    #expect(plain.store.parameters.elements.elementsEqual(averaging.store.parameters.elements))
    let last = Self.features - 1
    for (name, initial) in [("running_mean", 0.0), ("running_var", 1.0)] {
      let batch = Double(try Self.statistic(name, averaging)[last])
      let expected = 0.9 * initial + 0.1 * batch
      #expect(abs(Double(try Self.statistic(name, plain)[last]) - expected) < 1e-5 * expected)
    }
  }
}
