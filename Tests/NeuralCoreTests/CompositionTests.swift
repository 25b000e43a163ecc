// SPDX-License-Identifier: Apache-2.0
import GoldenSupport
import NeuralCore
import Testing

private func linear(_ inputs: Int, _ outputs: Int, norm: Bool = true) -> FullyConnectedLayer {
  FullyConnectedLayer(
    inputs: inputs, outputs: outputs, activation: Tanh(),
    normalization: norm ? BatchNormalization() : nil)
}

private func network(_ layers: [Layer], slices: Int = 3) throws -> NeuralNetwork {
  let network = try NeuralNetwork(
    layers: layers, loss: MeanSquaredError(), optimizer: AdamOptimizer(), seed: 6)
  network.replicas = SingleReplica(network.store, slices: slices, optimizer: network.optimizer)
  return network
}

/// Rows of random inputs and targets.
private struct Samples {
  let x, y: AlignedBuffer<Float>
  let batch: Batch

  init(rows: Int, inputs: Int, outputs: Int) {
    x = AlignedBuffer(count: rows * inputs)
    y = AlignedBuffer(count: rows * outputs)
    PhiloxStream(seed: 1, purpose: .syntheticData)
      .fillNormal(x.mutableElements, standardDeviation: 1)
    PhiloxStream(seed: 2, purpose: .syntheticData)
      .fillNormal(y.mutableElements, standardDeviation: 1)
    batch = Batch(
      inputs: x.matrix(rows: rows, columns: inputs),
      targets: .values(y.matrix(rows: rows, columns: outputs)))
  }
}

@Suite("Sequential and Residual")
struct CompositionTests {
  @Test(
    "Dropout, layer norm and residual connections agree with PyTorch, for any number of slices",
    arguments: [1, 2, 3, 5, 16])
  func goldens(slices: Int) throws {
    let file = try LayerGoldenFile.load(resource("layers.json"))
    #expect(file.cases.count >= 10)
    for golden in file.cases {
      let run = try LayerGoldenRun(golden)
      run.network.replicas = SingleReplica(
        run.network.store, slices: slices, optimizer: run.network.optimizer)
      let mismatches = try run.run(compareGradients: true)
      #expect(mismatches.isEmpty, "\(golden.name): \(mismatches)")
    }
  }

  @Test("The comparison with PyTorch detects another mask")
  func mustFail() throws {
    let golden = try LayerGoldenFile.load(resource("layers.json")).cases[0]
    let run = try LayerGoldenRun(golden)
    run.network.stepsDone = 1
    #expect(try !run.run(compareGradients: true).isEmpty)
  }

  @Test("A Sequential trains to the same bits as its members as layers of the network")
  func sameBits() throws {
    let samples = Samples(rows: 20, inputs: 5, outputs: 3)
    func layers() -> [Layer] {
      [linear(5, 40), LayerNorm(features: 40), linear(40, 7, norm: false), linear(7, 3)]
    }
    let flat = try network(layers())
    let nested = layers()
    let composed = try network([
      Sequential([
        ("", nested[0]),
        ("rest", try Sequential([nested[1], try Sequential([nested[2], nested[3]])])),
      ])
    ])
    #expect(
      composed.store.table.entries.map(\.name) == [
        "layers.0.weight", "layers.0.bias", "layers.0.norm.gamma", "layers.0.norm.beta",
        "layers.0.norm.running_mean", "layers.0.norm.running_var", "layers.0.rest.0.gamma",
        "layers.0.rest.0.beta", "layers.0.rest.1.0.weight", "layers.0.rest.1.0.bias",
        "layers.0.rest.1.1.weight", "layers.0.rest.1.1.bias", "layers.0.rest.1.1.norm.gamma",
        "layers.0.rest.1.1.norm.beta", "layers.0.rest.1.1.norm.running_mean",
        "layers.0.rest.1.1.norm.running_var",
      ])
    for (from, to) in zip(flat.store.table.entries, composed.store.table.entries) {
      let target = composed.store.elements(of: to)
      _ = target.update(fromContentsOf: flat.store.elements(of: from))
    }
    composed.store.markChanged()
    try withExtendedLifetime(samples) {
      for step in 0..<4 {
        for network in [flat, composed] {
          let prepared =
            step % 2 == 0 ? PreparedBatch(samples.batch) : try network.prepare(samples.batch)
          try network.computeGradients(prepared)
          _ = try network.update(after: samples.batch)
        }
      }
      #expect(flat.store.digest() == composed.store.digest())
      let rows = samples.batch.inputs
      let expected = Array(try flat.infer(rows).elements)
      let found = Array(try composed.infer(rows).elements)
      #expect(found == expected)
    }
  }

  @Test("Tensors of a layer with hundreds of them have different initial values")
  func manyTensors() throws {
    let members = (0..<130).map { _ in linear(3, 3, norm: false) as Layer }
    let network = try network([Sequential(members)])
    let weights = network.store.table.entries.filter { $0.specification.name.hasSuffix("weight") }
    #expect(Set(weights.map { Array(network.store.elements(of: $0)) }).count == 130)
  }

  @Test("Layers before the first one with parameters cost no gradients")
  func gradientsNeeded() throws {
    final class Silent: Layer {
      override func forward(
        _ input: MatrixView, into output: MutableMatrixView, _ pass: LayerPass
      ) throws { output.base.update(from: input.base, count: input.elements.count) }
      override func backward(
        _ outputGradient: MutableMatrixView, into inputGradient: MutableMatrixView?,
        _ pass: LayerPass
      ) throws { Issue.record("called without need") }
    }
    let samples = Samples(rows: 6, inputs: 4, outputs: 3)
    func silent() -> Layer { Silent(inputs: 4, outputs: 4) }
    try withExtendedLifetime(samples) {
      for layers in [
        [silent(), silent(), linear(4, 3)],
        [try Sequential([silent(), Residual(silent()), linear(4, 3)])],
        [try Sequential([silent(), silent()]), linear(4, 3)],
      ] { _ = try network(layers).train(samples.batch) }
    }
  }

  @Test("Layers that do not fit together, or share a tensor's name, are refused with what is wrong")
  func misfits() {
    let wrong: [(String, () throws -> Layer)] = [
      ("layers of a Sequential: expected 1, found 0", { try Sequential([] as [Layer]) }),
      (
        "inputs of member 1 of a Sequential: expected 3, found 2",
        { try Sequential([linear(2, 3), linear(2, 3)]) }
      ),
      (
        "outputs of a layer with a residual connection: expected 2, found 3",
        { try Residual(linear(2, 3)) }
      ),
      (
        "two members of a Sequential have a tensor weight: give one of them another name",
        { try Sequential([("", linear(2, 2)), ("", linear(2, 2))]) }
      ),
    ]
    for (message, make) in wrong {
      let error = #expect(throws: NeuralCoreError.self) { try make() }
      #expect(error?.description == message)
    }
  }

  @Test("A step that is not finite names the layer, also if a member of it is where that began")
  func notFinite() throws {
    let samples = Samples(rows: 6, inputs: 4, outputs: 4)
    let network = try network([
      linear(4, 4), Residual(Sequential([LayerNorm(features: 4), linear(4, 4)])), linear(4, 4),
    ])
    let gamma = network.store.table.entries.first { $0.name == "layers.1.0.gamma" }
    network.store.elements(of: try #require(gamma))[2] = .infinity
    let error = withExtendedLifetime(samples) {
      #expect(throws: NeuralCoreError.self) { try network.train(samples.batch) }
    }
    guard case .notFinite(let finding) = error else {
      Issue.record("\(error as Any)")
      return
    }
    #expect(finding.layer == 1)
  }
}
