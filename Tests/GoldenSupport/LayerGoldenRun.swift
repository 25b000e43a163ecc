// SPDX-License-Identifier: Apache-2.0
package import Foundation
package import NeuralCore

/// The Float64 references in `layers.json`: networks with dropout, layer norm and residual connections.
///
/// `Tests/Goldens/README.md` documents its keys.
package struct LayerGoldenFile: Decodable {
  /// A layer, or a member of one.
  package struct Layer: Decodable {
    package let kind, name: String
    package let inputs, outputs: Int?
    package let activation: String?
    package let norm: Bool?
    package let probability: Double?
    package let members: [Layer]?
  }
  package struct Expected: Decodable {
    package let losses, gradientNorms, inference: [Double]
    package let firstGradients, finalTensors: [String: [Double]]
  }
  package struct Case: Decodable {
    package let name, loss, optimizer: String
    package let seed: UInt64
    package let learningRate: Double
    package let layers: [Layer]
    package let initial: [String: [Double]]
    package let rows: [Int]
    /// Per step, row by row.
    package let inputs: [[Double]]
    /// Per step; only one of both is there.
    package let classes: [[Int32]]?
    package let values: [[Double]]?
    package let expected: Expected
  }
  package struct Mask: Decodable {
    package let seed, layerNumber: UInt64
    package let update, firstRow, units: Int
    package let probability: Double
    /// A text of 0 and 1 per row.
    package let kept: [String]
  }

  package let masks: [Mask]
  package let cases: [Case]

  package static func load(_ url: URL) throws -> LayerGoldenFile {
    try JSONDecoder().decode(LayerGoldenFile.self, from: Data(contentsOf: url))
  }
}

/// Runs a reference case of `layers.json` on a network, and compares the results.
package struct LayerGoldenRun {
  private let golden: LayerGoldenFile.Case
  package let network: NeuralNetwork

  package init(_ golden: LayerGoldenFile.Case) throws {
    self.golden = golden
    network = try NeuralNetwork(
      layers: golden.layers.map(Self.layer),
      loss: golden.loss == "mse" ? MeanSquaredError() : CrossEntropy(),
      optimizer: golden.optimizer == "adam"
        ? AdamOptimizer(epsilon: 1e-3) : VanillaSGDOptimizer(momentum: 0.9),
      schedule: LearningRateSchedule(base: golden.learningRate), seed: golden.seed)
    for entry in network.store.table.entries {
      guard let values = golden.initial[entry.name] else { throw GoldenError.missing(entry.name) }
      values.map(Float.init).withUnsafeBufferPointer {
        network.store.setValues(byRows: $0, of: entry)
      }
    }
  }

  private static func layer(_ golden: LayerGoldenFile.Layer) throws -> Layer {
    let members = try (golden.members ?? []).map { (name: $0.name, layer: try layer($0)) }
    let inputs = golden.inputs ?? 0
    switch golden.kind {
    case "linear":
      guard let outputs = golden.outputs else { throw GoldenError.missing("outputs") }
      return FullyConnectedLayer(
        inputs: inputs, outputs: outputs,
        activation: try GoldenNetwork.activation(golden.activation ?? ""),
        normalization: golden.norm == true ? BatchNormalization() : nil)
    case "layerNorm": return LayerNorm(features: inputs)
    case "dropout": return Dropout(features: inputs, probability: golden.probability ?? 0)
    case "sequential": return try Sequential(members)
    case "residual" where members.count == 1: return try Residual(members[0].layer)
    default: throw GoldenError.missing("layer \(golden.kind)")
    }
  }

  /// Trains all steps with the group `network.replicas`, and returns the mismatches.
  ///
  /// - Parameter compareGradients: whether this replica's first gradients are the whole batch's.
  package func run(compareGradients: Bool) throws -> [String] {
    var mismatches: [String] = []
    for (step, rows) in golden.rows.enumerated() {
      let owned = network.replicas.slices.ownedRows(batchRows: rows)
      let x = AlignedBuffer(elements(golden.inputs[step], of: owned, network.inputs))
      let classes = AlignedBuffer(golden.classes.map { Array($0[step][owned]) } ?? [])
      let values = AlignedBuffer(
        golden.values.map { elements($0[step], of: owned, network.outputs) } ?? [])
      let batch = Batch(
        globalRows: rows, inputs: x.matrix(rows: owned.count, columns: network.inputs),
        targets: golden.classes != nil
          ? .classes(classes.elements)
          : .values(values.matrix(rows: owned.count, columns: network.outputs)))
      let result = try withExtendedLifetime((x, classes, values)) { () -> StepResult in
        // As the training loop does it; it must make no difference.
        let prepared = step % 2 == 1 ? try network.prepare(batch) : PreparedBatch(batch)
        try network.computeGradients(prepared)
        return try network.update(after: batch)
      }
      mismatches += GoldenRun.compare(
        "loss \(step)", [result.loss], [golden.expected.losses[step]])
      mismatches += GoldenRun.compare(
        "gradient norm \(step)", [result.gradientNorm], [golden.expected.gradientNorms[step]])
      if step == 0 && compareGradients { mismatches += try compareFirstGradients() }
    }
    return try mismatches + compareTensors() + compareInference()
  }

  private func elements(_ rows: [Double], of owned: Range<Int>, _ columns: Int) -> [Float] {
    rows[owned.lowerBound * columns..<owned.upperBound * columns].map(Float.init)
  }

  /// Larger for Adam, which divides each gradient by its magnitude, and so amplifies the rounding
  /// errors of small ones.
  private var tolerance: Double { golden.optimizer == "adam" ? 5e-5 : 1e-5 }

  private func compareFirstGradients() throws -> [String] {
    let floor = 0.01 * (golden.expected.gradientNorms.max() ?? 0)
    return try network.store.table.entries.filter { !$0.isStatistic }.flatMap { entry in
      GoldenRun.compare(
        "gradient of \(entry.name)",
        GoldenRun.byRows(network.store.gradients[0].base + entry.span.lowerBound, entry),
        try values(golden.expected.firstGradients, entry), floor: floor)
    }
  }

  private func compareTensors() throws -> [String] {
    try network.store.table.entries.flatMap { entry in
      let memory = entry.isStatistic ? network.store.statistics : network.store.parameters
      return GoldenRun.compare(
        entry.name, GoldenRun.byRows(memory.base + entry.span.lowerBound, entry),
        try values(golden.expected.finalTensors, entry), tolerance: tolerance)
    }
  }

  private func values(
    _ tensors: [String: [Double]], _ entry: ParameterTable.Entry
  ) throws -> [Double] {
    guard let values = tensors[entry.name] else { throw GoldenError.missing(entry.name) }
    return values
  }

  private func compareInference() throws -> [String] {
    let x = AlignedBuffer(golden.inputs[0].map(Float.init))
    let outputs = try withExtendedLifetime(x) {
      try network.infer(x.matrix(rows: golden.rows[0], columns: network.inputs))
    }
    return GoldenRun.compare(
      "inference", outputs.elements.map(Double.init), golden.expected.inference, tolerance: 1e-4)
  }
}
