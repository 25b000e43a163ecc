// SPDX-License-Identifier: Apache-2.0
package import NeuralCore

/// Runs a reference case on a network, and compares the results.
package struct GoldenRun {
  private let golden: GoldenFile.Case
  private let file: GoldenFile
  package let network: NeuralNetwork

  /// Prepares a run of a case, with the case's initial parameters.
  ///
  /// - Parameter network: the network to train; by default one of the layers that the case describes.
  package init(
    _ golden: GoldenFile.Case, of file: GoldenFile, network: NeuralNetwork? = nil
  ) throws {
    self.golden = golden
    self.file = file
    self.network = try network ?? GoldenNetwork(golden).make()
    guard let initial = file.initials[golden.initial] else { throw GoldenError.missing("initial") }
    for entry in self.network.store.table.entries where !entry.isStatistic {
      let values = Self.values(of: entry, in: initial[entry.layer])
      values.map(Float.init).withUnsafeBufferPointer {
        self.network.store.setValues(byRows: $0, of: entry)
      }
    }
  }

  /// Trains all steps with the group `network.replicas`, and returns the mismatches.
  ///
  /// - Parameter compareGradients: whether this replica's first gradients are the whole batch's.
  package func run(compareGradients: Bool) throws -> [String] {
    var mismatches: [String] = []
    for step in golden.learningRates.indices {
      network.schedule = LearningRateSchedule(base: golden.learningRates[step])
      let result = try withBatch(ofStep: step) { try network.train($0) }
      mismatches += Self.compare("loss \(step)", [result.loss], [golden.expected.losses[step]])
      mismatches += Self.compare(
        "gradient norm \(step)", [result.gradientNorm], [golden.expected.gradientNorms[step]])
      if step == 0 && compareGradients { mismatches += compareFirstGradients() }
    }
    mismatches += compareParameters()
    guard let rows = file.inputs[golden.inferenceInputs ?? golden.inputs]?.first else {
      throw GoldenError.missing("inputs for inference")
    }
    mismatches += try compareInference(rows)
    return mismatches
  }

  /// Calls `body` with the batch of a step, of which it holds the rows of `network.replicas`.
  package func withBatch<Result>(
    ofStep step: Int, _ body: (Batch) throws -> Result
  ) throws -> Result {
    guard let inputs = file.inputs[golden.inputs], let targets = file.targets[golden.targets] else {
      throw GoldenError.missing("inputs or targets")
    }
    let rows = inputs[step].count
    let owned = network.replicas.slices.ownedRows(batchRows: rows)
    let x = AlignedBuffer(inputs[step][owned].flatMap { $0.map(Float.init) })
    let classes = AlignedBuffer(targets.classes.map { Array($0[step][owned]) } ?? [])
    let values = AlignedBuffer(
      targets.rows.map { $0[step][owned].flatMap { $0.map(Float.init) } } ?? [])
    let weights = golden.weights.map { AlignedBuffer($0[step][owned].map(Float.init)) }
    return try withExtendedLifetime((x, classes, values, weights)) {
      try body(
        Batch(
          globalRows: rows, inputs: x.matrix(rows: owned.count, columns: golden.widths[0]),
          targets: targets.classes != nil
            ? .classes(classes.elements)
            : .values(values.matrix(rows: owned.count, columns: network.outputs)),
          weights: weights?.elements))
    }
  }

  /// Larger for Adam and its like, which divide each gradient by its magnitude, and so amplify the
  /// rounding errors of small ones.
  private var tolerance: Double {
    ["adam", "rmsprop", "lamb"].contains(golden.optimizer.kind) ? 2e-5 : 1e-5
  }

  private func compareFirstGradients() -> [String] {
    let floor = 0.01 * (golden.expected.gradientNorms.max() ?? 0)
    return network.store.table.entries.filter { !$0.isStatistic }.flatMap { entry in
      Self.compare(
        "gradient of \(entry.name)",
        Self.byRows(network.store.gradients[0].base + entry.span.lowerBound, entry),
        Self.values(of: entry, in: golden.expected.firstGradients[entry.layer]), floor: floor)
    }
  }

  private func compareParameters() -> [String] {
    network.store.table.entries.flatMap { entry in
      let expected =
        switch entry.specification.name {
        case "norm.running_mean": golden.expected.runningStatistics[entry.layer].mean
        case "norm.running_var": golden.expected.runningStatistics[entry.layer].variance
        default: Self.values(of: entry, in: golden.expected.finalParameters[entry.layer])
        }
      let memory = entry.isStatistic ? network.store.statistics : network.store.parameters
      return Self.compare(
        entry.name, Self.byRows(memory.base + entry.span.lowerBound, entry), expected,
        tolerance: tolerance)
    }
  }

  private func compareInference(_ rows: [[Double]]) throws -> [String] {
    let x = AlignedBuffer(rows.flatMap { $0.map(Float.init) })
    let outputs = try withExtendedLifetime(x) {
      try network.infer(x.matrix(rows: rows.count, columns: golden.widths[0]))
    }
    return Self.compare(
      "inference", outputs.elements.map(Double.init), golden.expected.inference.flatMap { $0 },
      tolerance: 1e-4)
  }

  static func byRows(
    _ elements: UnsafePointer<Float>, _ entry: ParameterTable.Entry
  ) -> [Double] {
    var values: [Double] = []
    entry.specification.layout.forEachPieceByRows(of: elements) { values += $0.map(Double.init) }
    return values
  }

  private static func values(
    of entry: ParameterTable.Entry, in layer: GoldenFile.Layer
  ) -> [Double] {
    switch entry.specification.name {
    case "weight": layer.weight.flatMap { $0 }
    case "bias": layer.bias
    case "norm.gamma": layer.gamma ?? []
    default: layer.beta ?? []
    }
  }

  /// Compares values, with errors relative to the largest expected magnitude.
  package static func compare(
    _ what: String, _ found: [Double], _ expected: [Double], floor: Double = 1e-2,
    tolerance: Double = 1e-5
  ) -> [String] {
    guard found.count == expected.count else {
      return ["\(what): \(found.count) elements, expected \(expected.count)"]
    }
    let unit = max(expected.map(abs).max() ?? 0, floor)
    let worst = zip(found, expected).map { abs($0 - $1) / unit }.max() ?? 0
    return worst <= tolerance ? [] : ["\(what): relative error \(worst) of \(unit)"]
  }
}
