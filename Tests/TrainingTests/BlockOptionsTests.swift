// SPDX-License-Identifier: Apache-2.0
import Coordination
import Failures
import NeuralCore
import RunRecords
import TestSupport
import Testing
import Training

@Suite("Normalization, residual connections and dropout of a run")
struct BlockOptionsTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  func options(_ name: String, _ change: (inout TrainingOptions) -> Void = { _ in })
    -> TrainingOptions
  {
    var options = TrainingOptions()
    options.data = "synthetic:97x6x3"
    options.layers = [8, 8, 4]
    options.batch = 20
    options.epochs = 3
    options.norm = .layer
    options.residual = true
    options.dropout = [0.1, 0.2, 0]
    options.inputDropout = 0.1
    options.run = "\(folder.path)/\(name)"
    change(&options)
    return options
  }

  @discardableResult
  func train(_ options: TrainingOptions) throws -> RunSummary {
    try TrainingLoop(options, group: SingleProcessGroup(), version: "test").run()
  }

  func refusal(_ options: TrainingOptions) -> String {
    do {
      try train(options)
      return ""
    } catch {
      return (error as? Failure)?.message ?? "\(error)"
    }
  }

  func network(_ options: TrainingOptions) throws -> NeuralNetwork {
    try ModelDescription(options, inputs: 6, outputs: 3, labels: ["a", "b", "c"])
      .makeNetwork(seed: 4, dropout: options.dropoutProbabilities)
  }

  /// The structure of a layer, such as `Residual(LayerNorm, FullyConnectedLayer)`.
  func structure(_ layer: Layer) -> String {
    let inner = layer.members.map(structure).joined(separator: ", ")
    return "\(type(of: layer))" + (inner.isEmpty ? "" : "(\(inner))")
  }

  @Test("Options make the blocks of the network, and nothing where they ask for nothing")
  func structures() throws {
    #expect(
      try network(options("a")).layers.map(structure) == [
        "Sequential(Dropout, LayerNorm, FullyConnectedLayer, Dropout)",
        "Residual(Sequential(LayerNorm, FullyConnectedLayer, Dropout))",
        "Sequential(LayerNorm, FullyConnectedLayer)", "Sequential(LayerNorm, FullyConnectedLayer)",
      ])
    let batchNorm = try network(
      options("a") {
        $0.norm = nil
        $0.dropout = [0.5]
        $0.inputDropout = 0
      })
    #expect(
      batchNorm.layers.map(structure) == [
        "Sequential(FullyConnectedLayer, Dropout)",
        "Residual(Sequential(FullyConnectedLayer, Dropout))",
        "Sequential(FullyConnectedLayer, Dropout)", "FullyConnectedLayer",
      ])
    let plain = try network(
      options("a") {
        $0.norm = .off
        $0.dropout = []
        $0.inputDropout = 0
        $0.residual = false
      })
    #expect(plain.layers.allSatisfy { $0 is FullyConnectedLayer })
  }

  @Test(
    "Tensors have the same names and initial values with and without dropout and residual connections"
  )
  func names() throws {
    let plain = options("a") {
      $0.dropout = []
      $0.inputDropout = 0
      $0.residual = false
    }
    let names = try network(plain).store.table.entries.map(\.name)
    #expect(
      names
        == (0..<4).flatMap { layer in
          ["norm.gamma", "norm.beta", "weight", "bias"].map { "layers.\(layer).\($0)" }
        })
    #expect(try network(options("a")).store.table.entries.map(\.name) == names)
    let digest = try network(plain).store.digest()
    #expect(try network(options("a")).store.digest() == digest)
    let batchNorm = { (options: TrainingOptions) in
      var options = options
      options.norm = .batch
      return options
    }
    let other = try network(batchNorm(plain)).store.digest()
    #expect(try network(batchNorm(options("a"))).store.digest() == other)
  }

  @Test(
    "A description reads back from JSON, which has no new keys for a network of former versions")
  func json() throws {
    for norm in [NormName.batch, .layer, .off] {
      let description = ModelDescription(
        options("a") { $0.norm = norm }, inputs: 6, outputs: 3, labels: [])
      #expect(try ModelDescription(json: description.json, path: "x") == description)
      #expect(description.json.contains("\"norm\":\"layer\"") == (norm == .layer))
      #expect((description.batchNorm == .off) == (norm != .batch))
    }
    let plain = ModelDescription(TrainingOptions(), inputs: 6, outputs: 3, labels: [])
    #expect(!plain.json.contains("\"norm\"") && !plain.json.contains("residual"))
    #expect(!plain.json.contains("dropout"))
    for (sound, damaged) in [
      ("\"layer\"", "\"spectral\""), ("\"residual\":true", "\"residual\":7"),
    ] {
      let text = ModelDescription(options("a"), inputs: 6, outputs: 3, labels: []).json
        .replacing(sound, with: damaged)
      #expect(throws: TrainingError.self) { try ModelDescription(json: text, path: "x") }
    }
  }

  @Test(
    "A run with all of them is resumed to the same bits, and its checkpoint evaluates as the run did"
  )
  func resumed() throws {
    let whole = try train(options("whole") { $0.checkpointEvery = 5 })
    let file = "\(folder.path)/whole/checkpoints/step-000000005.safetensors"
    let rest = try train(options("rest") { $0.resume = .file(file) })
    #expect(rest.digest == whole.digest && rest.testLoss == whole.testLoss)
    let model = try LoadedModel(path: "\(folder.path)/whole")
    #expect(model.network.store.digest().description == whole.digest)
    #expect(model.description.norm == .layer && model.description.residual == true)
    // A mask that was the same in each step would give another result.
    #expect(try train(options("other") { $0.seed = 1 }).digest != whole.digest)
  }

  @Test("A run is not resumed with other dropout, normalization or residual connections")
  func changed() throws {
    try train(options("a"))
    let file = "\(folder.path)/a/checkpoints/step-000000000.safetensors"
    for (option, value, change) in [
      ("--dropout 0.3", "(was 0.1,0.2,0.0)", { $0.dropout = [0.3] }),
      ("--dropout ", "(was 0.1,0.2,0.0)", { $0.dropout = [] }),
      ("--input-dropout ", "(was 0.1)", { $0.inputDropout = 0 }),
      ("--residual ", "(was true)", { $0.residual = false }),
      ("--batch-norm synchronized", "(was off)", { $0.norm = .batch }),
      ("--norm ", "(was layer)", { $0.norm = .off }),
    ] as [(String, String, (inout TrainingOptions) -> Void)] {
      let message = refusal(
        options("b") {
          $0.resume = .file(file)
          change(&$0)
        })
      #expect(message.contains(option) && message.contains(value), "\(message)")
    }
  }

  @Test("Without dropout again, a run has the bits of one that never had any")
  func zero() throws {
    let none = try train(
      options("none") {
        $0.dropout = []
        $0.inputDropout = 0
      })
    let zero = try train(
      options("zero") {
        $0.dropout = [0]
        $0.inputDropout = 0
      })
    #expect(none.digest == zero.digest)
  }
}
