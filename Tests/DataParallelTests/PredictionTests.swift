// SPDX-License-Identifier: Apache-2.0
import Coordination
import DataParallel
import Diagnosis
import NeuralCore
import Testing

/// The requests of a network with batch norm and cross-entropy.
private func schedule(_ widths: [Int]) throws -> StepSchedule {
  let layers = zip(widths, widths.dropFirst()).map {
    FullyConnectedLayer(
      inputs: $0, outputs: $1, activation: Relu(), normalization: BatchNormalization())
  }
  let network = try NeuralNetwork(
    layers: layers, loss: CrossEntropy(), optimizer: VanillaSGDOptimizer(),
    schedule: LearningRateSchedule(base: 0.1), seed: 1)
  return try StepSchedule(of: network, usesClasses: true)
}

private let perfect = LinkModel(latency: 0, gap: 0, bandwidth: .infinity)

@Suite("Prediction of step times")
struct PredictionTests {
  /// Parameters are 64 + 64 with gaps, in one block, so rank 1 of 2 owns them all.
  let small: StepSchedule

  init() throws { small = try schedule([4, 3, 2]) }

  @Test("A schedule has the requests of a step, each with the fraction of computing before it")
  func requests() {
    // Spans end with the last tensor, without the gap after it. Products of 12 and 6 a row: one
    // forward and two backward, by the weights and then by the input, one for the first: 42 in all.
    let expected: [(StepSchedule.Request, Double)] = [
      (.partials(width: 32), 12), (.part(64..<70), 24), (.partials(width: 32), 30),
      (.gradients(64..<115), 30), (.part(0..<12), 42), (.gradients(0..<52), 42),
      (.partials(width: 32), 42), (.update(width: 8), 42),
    ]
    #expect(small.events.map(\.request) == expected.map(\.0))
    #expect(small.events.map(\.computed) == expected.map { $0.1 / 42 })
    #expect(small.parameterCount == 128)
  }

  @Test(
    "The schedule of nested layers has their requests in order, from the step's begin to its end")
  func nestedLayers() throws {
    func linear(_ inputs: Int, _ outputs: Int, norm: Bool) -> FullyConnectedLayer {
      FullyConnectedLayer(
        inputs: inputs, outputs: outputs, activation: Relu(),
        normalization: norm ? BatchNormalization() : nil)
    }
    for norm in [true, false] {
      let network = try NeuralNetwork(
        layers: [
          Sequential([Dropout(features: 4, probability: 0.1), linear(4, 6, norm: norm)]),
          Residual(Sequential([LayerNorm(features: 6), linear(6, 6, norm: norm)])),
          Dropout(features: 6, probability: 0.5),
          Sequential([linear(6, 5, norm: norm), linear(5, 3, norm: norm)]),
        ], loss: CrossEntropy(), optimizer: VanillaSGDOptimizer(), seed: 1)
      let events = try StepSchedule(of: network, usesClasses: true).events
      #expect(zip(events, events.dropFirst()).allSatisfy { $0.computed <= $1.computed })
      #expect(events.first.map { $0.computed >= 0 } == true)
      #expect(events.last?.computed == 1)
      let gradients = events.compactMap { event -> Range<Int>? in
        guard case .gradients(let span) = event.request else { return nil }
        return span
      }
      #expect(gradients.count == 5)
      #expect(zip(gradients, gradients.dropFirst()).allSatisfy { $0.lowerBound >= $1.upperBound })
      #expect(gradients.last?.lowerBound == 0)
    }
  }

  @Test("The messages of two hosts are counted as by hand")
  func messages() {
    let placement = EqualHosts(hosts: 2, ranksPerHost: 1, slices: nil, batchRows: 8)
    let traffic = StepTraffic(small, placement, bucketBytes: 4 << 20)
    // Three merges of 32 numbers, the norm with one block and eight sums, gradients there, parameters back.
    #expect(traffic.total.messages == 3 + 1 + 1 + 1)
    #expect(traffic.total.bytes == 3 * 256 + 72 + 512 + 512)
    #expect(!traffic.halves)
  }

  @Test("The step time of two hosts is that computed by hand")
  func byHand() {
    let placement = EqualHosts(hosts: 2, ranksPerHost: 1, slices: nil, batchRows: 8)
    let traffic = StepTraffic(small, placement, bucketBytes: 4 << 20)
    let link = LinkModel(latency: 1, gap: 0, bandwidth: 256)
    let step = StepPrediction(small, traffic, link, compute: 42, update: 2)
    // Computed to 12, merged at 14; to 32, merged at 34; to 46, gradients leave till 48; the next
    // statistics after them, at 50; the norm at 51.28125; updated at 53.28125; parameters take 3 more.
    #expect(abs(step.seconds - 56.28125) < 1e-9)
    #expect(abs(step.wait - 12.28125) < 1e-9)
  }

  @Test("One node takes the measured step time, and a perfect network adds nothing to computing")
  func identities() throws {
    let node = NodeModel(seconds: 0.5, rows: 64, update: 0.125)
    for (nodes, link) in [(1, LinkModel(latency: 1, gap: 1, bandwidth: 1)), (4, perfect)] {
      let plan = ScalingPlan(
        schedule: small, node: node, ranksPerNode: 1, link: link, batch: 64)
      let strong = try #require(plan.row(nodes: nodes, .strong))
      let weak = try #require(plan.row(nodes: nodes, .weak))
      let share = Double(nodes)
      #expect(abs(strong.stepS - (0.375 + 0.125) / share) < 1e-12)
      #expect(abs(weak.stepS - (0.375 + 0.125 / share)) < 1e-12)
      #expect(abs(strong.efficiency - 1) < 1e-12 && strong.waitShare < 1e-12)
      #expect(weak.batch == 64 * nodes && weak.efficientBatch == 64)
      if nodes == 1 { #expect(strong.messages == 0 && strong.bytes == 0) }
    }
  }

  @Test("Nodes that share cores take as long as the core with the most ranks")
  func sharedCores() throws {
    let node = NodeModel(seconds: 1, rows: 60, update: 0)
    let plan = ScalingPlan(
      schedule: small, node: node, ranksPerNode: 1, link: perfect, batch: 60, sharedCores: 2)
    for (nodes, seconds) in [(1, 1.0), (2, 1), (3, 2), (4, 2), (5, 3)] {
      let row = try #require(plan.row(nodes: nodes, .weak))
      #expect(abs(row.stepS - seconds) < 1e-12)
    }
  }

  @Test("A slower network never makes the step faster", arguments: [2, 3, 8, 16, 64])
  func monotony(nodes: Int) throws {
    let schedule = try schedule([64, 128, 10])
    let node = NodeModel(seconds: 1e-3, rows: 64, update: 1e-4)
    func seconds(_ latency: Double, _ gap: Double, _ bandwidth: Double) throws -> Double {
      let link = LinkModel(latency: latency, gap: gap, bandwidth: bandwidth)
      let plan = ScalingPlan(schedule: schedule, node: node, ranksPerNode: 2, link: link, batch: 64)
      return try #require(plan.row(nodes: nodes, .weak)).stepS
    }
    let base = try seconds(1e-5, 1e-6, 1e9)
    #expect(try seconds(2e-5, 1e-6, 1e9) > base)
    #expect(try seconds(1e-5, 3e-6, 1e9) >= base)
    #expect(try seconds(1e-5, 1e-6, 1e8) > base)
    #expect(base > 1e-3 - 1e-4 + 1e-4 / Double(nodes))
  }

  @Test("More than eight hosts exchange gradients by halving, in log2 of their number messages")
  func halving() throws {
    let schedule = try schedule([64, 64, 10])
    let placement = EqualHosts(hosts: 16, ranksPerHost: 1, slices: nil, batchRows: 64)
    let traffic = StepTraffic(schedule, placement, bucketBytes: 4 << 20)
    #expect(traffic.halves)
    // Three merges, the norm and the parameters go to 15 others each; halving has four stages.
    #expect(traffic.total.messages == 5 * 15 + 4)
    let direct = StepTraffic(schedule, placement, bucketBytes: 4 << 20, exchange: .direct)
    #expect(direct.total.messages == 6 * 15)
  }

  @Test("There is no prediction where there are fewer slices than ranks")
  func tooManyRanks() {
    let plan = ScalingPlan(
      schedule: small, node: NodeModel(seconds: 1, rows: 8, update: 0), ranksPerNode: 2,
      link: perfect, batch: 8, slices: 4)
    #expect(plan.row(nodes: 2, .weak) != nil)
    #expect(plan.row(nodes: 3, .weak) == nil)
  }

  @Test("A node model passes through both measured steps, unless noise makes a parameter negative")
  func nodeModel() {
    let node = NodeModel(
      seconds: 10, rows: 100, smallerSeconds: 4, smallerRows: 25, update: 1)
    #expect(abs(node.perRow - 0.08) < 1e-12)
    #expect(abs(node.step(rows: 100) - 10) < 1e-12 && abs(node.step(rows: 25) - 4) < 1e-12)
    let noisy = NodeModel(
      seconds: 10, rows: 100, smallerSeconds: 11, smallerRows: 25, update: 1)
    #expect(noisy.perRow == 0 && noisy.fixed == 9)
    let steep = NodeModel(seconds: 10, rows: 100, smallerSeconds: 1, smallerRows: 25, update: 1)
    #expect(abs(steep.fixed) < 1e-12 && abs(steep.step(rows: 100) - 10) < 1e-12)
  }
}
