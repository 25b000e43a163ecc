// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralCore
import Testing

@Suite("Layer-wise optimizers")
struct LayerwiseTests {
  /// Widths whose weights are within one block of parameters, or span up to 130 blocks.
  static let widths = [[3, 4, 2], [17, 33, 19, 10], [300, 110, 5]]

  private func network(_ widths: [Int], _ optimizer: any Optimizer) throws -> NeuralNetwork {
    try NeuralNetwork(
      layers: zip(widths, widths.dropFirst()).map { inputs, outputs in
        FullyConnectedLayer(
          inputs: inputs, outputs: outputs, activation: Sigmoid(),
          normalization: BatchNormalization())
      }, loss: MeanSquaredError(), optimizer: optimizer,
      schedule: LearningRateSchedule(base: 0.25), seed: 4)
  }

  /// Trains one step, and returns each tensor's role with its values before and after.
  private func step(
    _ network: NeuralNetwork
  ) throws -> [(role: TensorSpecification.Role, before: [Double], after: [Double])] {
    let (rows, columns) = (8, network.inputs)
    var numbers = Numbers(columns)
    let inputs = AlignedBuffer(numbers.array(rows * columns))
    let targets = AlignedBuffer(numbers.array(rows * network.outputs))
    let entries = network.store.table.entries.filter { !$0.isStatistic }
    let values = { entries.map { network.store.elements(of: $0).map(Double.init) } }
    let before = values()
    try withExtendedLifetime((inputs, targets)) {
      _ = try network.train(
        Batch(
          inputs: inputs.matrix(rows: rows, columns: columns),
          targets: .values(targets.matrix(rows: rows, columns: network.outputs))))
    }
    return zip(entries, zip(before, values())).map { ($0.specification.role, $1.0, $1.1) }
  }

  private func norm(_ values: [Double]) -> Double {
    values.reduce(0) { $0 + $1 * $1 }.squareRoot()
  }

  @Test(
    "A step of LAMB changes each weight tensor by the learning rate times its norm",
    arguments: widths)
  func lamb(widths: [Int]) throws {
    for (role, before, after) in try step(network(widths, LAMBOptimizer(weightDecay: 0.125)))
    where role == .weight {
      let change = norm(zip(before, after).map { $1 - $0 })
      #expect(abs(change / norm(before) - 0.25) < 1e-6)
    }
  }

  @Test(
    "A step of LARS changes each weight tensor by the learning rate and the trust coefficient times its norm",
    arguments: widths)
  func lars(widths: [Int]) throws {
    let lars = LARSOptimizer(trustCoefficient: 0.5)
    for (role, before, after) in try step(network(widths, lars)) where role == .weight {
      let change = norm(zip(before, after).map { $1 - $0 })
      #expect(abs(change / norm(before) - 0.125) < 1e-6)
    }
  }

  @Test("Biases, gamma and beta get the steps of SGD and Adam", arguments: widths)
  func undecayed(widths: [Int]) throws {
    let pairs: [(any Optimizer, any Optimizer)] = [
      (LARSOptimizer(weightDecay: 0.5), VanillaSGDOptimizer()),
      (LAMBOptimizer(epsilon: 1e-3, weightDecay: 0.5), AdamOptimizer(epsilon: 1e-3)),
    ]
    for (layerwise, plain) in pairs {
      let found = try step(network(widths, layerwise))
      let expected = try step(network(widths, plain))
      for (a, b) in zip(found, expected) where a.role == .undecayed {
        for (x, y) in zip(a.after, b.after) { #expect(abs(x - y) <= 1e-6 * (1 + abs(y))) }
      }
    }
  }

  @Test("Weights of zero and gradients of zero have the ratio 1: such a step is finite")
  func zeroNorms() throws {
    for optimizer in [LAMBOptimizer(), LARSOptimizer()] as [any Optimizer] {
      let network = try network([4, 3, 2], optimizer)
      let last = try #require(network.store.table.entries.last { $0.specification.role == .weight })
      network.store.elements(of: last).update(repeating: 0)
      network.store.markChanged()
      let tensors = try step(network)
      #expect(tensors.allSatisfy { $0.after.allSatisfy(\.isFinite) })
      // The gradients of the layer before are zero, since dA = dZ W is.
      #expect(tensors.first?.before == tensors.first?.after)
      let weights = try #require(tensors.last { $0.role == .weight })
      #expect(norm(weights.after) > 0)
    }
  }
}

@Suite("Max-norm")
struct MaxNormTests {
  private func store(_ tensors: [TensorSpecification]) -> ParameterStore {
    ParameterStore(ParameterTable(layers: [tensors]), seed: 5)
  }

  private func weight(
    _ name: String, _ units: Int, _ inputs: Int, _ order: ElementOrder
  ) -> TensorSpecification {
    TensorSpecification(
      name, shape: [units, inputs], order: order, initializer: .heNormal(inputs: inputs),
      role: .weight)
  }

  /// The rows of a matrix.
  private func rows(_ store: ParameterStore, _ entry: ParameterTable.Entry) -> [[Float]] {
    var values: [Float] = []
    guard let base = store.elements(of: entry).baseAddress else { return [] }
    entry.specification.layout.forEachPieceByRows(of: base) { values += $0 }
    let columns = entry.specification.shape[1]
    return stride(from: 0, to: values.count, by: columns).map {
      Array(values[$0..<$0 + columns])
    }
  }

  @Test(
    "Rows that exceed the limit are scaled to it, and no others, in either order of elements",
    arguments: [1, 2, 15, 16, 17, 1000, 1025, 2100], [1, 7, 33])
  func limit(units: Int, inputs: Int) throws {
    for order in [ElementOrder.rowMajor, .columnMajor] {
      let store = store([weight("weight", units, inputs, order)])
      let entry = store.table.entries[0]
      let before = rows(store, entry)
      MaxNorm(store.table).apply(1.25, to: store)
      for (old, new) in zip(before, rows(store, entry)) {
        let norm = old.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        guard norm > 1.25 else {
          #expect(new == old)
          continue
        }
        for (x, y) in zip(old, new) {
          #expect(abs(Double(y) - Double(x) * 1.25 / norm) <= 2 * 0x1p-24 * abs(Double(y)))
        }
      }
    }
  }

  @Test("Several members that share the parameters scale each row once", arguments: 1...5)
  func members(count: Int) {
    let tensors = [
      weight("a", 70, 9, .columnMajor), weight("b", 3, 40, .rowMajor),
      weight("c", 2500, 3, .columnMajor),
    ]
    let (whole, shared) = (store(tensors), store(tensors))
    MaxNorm(whole.table).apply(1, to: whole)
    for member in 0..<count {
      MaxNorm(shared.table, member: member, of: count).apply(1, to: shared)
    }
    #expect(whole.digest() == shared.digest())
    #expect(whole.digest() != store(tensors).digest())
  }

  @Test("Biases, gamma and beta are not limited")
  func weightsOnly() {
    let bias = TensorSpecification(
      "bias", shape: [3, 2], initializer: .constant(8), role: .undecayed)
    let store = store([bias])
    MaxNorm(store.table).apply(1, to: store)
    #expect(store.parameters.elements.prefix(6).allSatisfy { $0 == 8 })
  }
}
