// SPDX-License-Identifier: Apache-2.0
package import NeuralCore

/// Runs a reference case on a network, and compares the results.
package struct GoldenRun {
  private let golden: GoldenFile.Case
  private let file: GoldenFile
  package let network: NeuralNetwork

  package init(_ golden: GoldenFile.Case, of file: GoldenFile) throws {
    self.golden = golden
    self.file = file
    network = try Self.makeNetwork(golden)
    guard let initial = file.initials[golden.initial] else { throw GoldenError.missing("initial") }
    for entry in network.store.table.entries where !entry.isStatistic {
      let values = Self.values(of: entry, in: initial[entry.layer])
      values.map(Float.init).withUnsafeBufferPointer {
        network.store.setValues(byRows: $0, of: entry)
      }
    }
  }

  private static func makeNetwork(_ golden: GoldenFile.Case) throws -> NeuralNetwork {
    let norm = BatchNormalization(
      backward: golden.mode == "exact" ? .exact : .frozenStatistics,
      momentum: golden.batchNormMomentum,
      averagesFirstBatches: golden.batchNormAveraging ?? false, epsilon: golden.batchNormEpsilon)
    guard let hidden = activations[golden.activation] else {
      throw GoldenError.missing("activation \(golden.activation)")
    }
    let last = golden.widths.count - 2
    let layers = (0...last).map { index in
      FullyConnectedLayer(
        inputs: golden.widths[index], outputs: golden.widths[index + 1],
        activation: index == last ? Identity() : hidden, normalization: norm)
    }
    let network = try NeuralNetwork(
      layers: layers, loss: loss(golden.loss, golden.lossParameter),
      optimizer: golden.optimizer.make(), clipNorm: golden.clip, seed: 0)
    network.maxNorm = golden.optimizer.maxNorm
    return network
  }

  /// The loss function of a name in the references.
  ///
  /// - Parameter parameter: delta, tau or the label smoothing; nil for losses without one.
  package static func loss(_ name: String, _ parameter: Double?) throws -> any LossFunction {
    switch name {
    case "cross-entropy": return CrossEntropy(labelSmoothing: parameter ?? 0)
    case "mse": return MeanSquaredError()
    case "mae": return MeanAbsoluteError()
    case "huber": return Huber(delta: parameter ?? 1)
    case "poisson": return PoissonLoss()
    case "quantile": return QuantileLoss(tau: parameter ?? 0.5)
    case "binary-cross-entropy": return BinaryCrossEntropy()
    default: throw GoldenError.missing("loss \(name)")
    }
  }

  static let activations: [String: any ActivationFunction] = [
    "relu": Relu(), "leaky-relu": LeakyRelu(), "elu": Elu(), "gelu": Gelu(), "silu": Silu(),
    "softplus": Softplus(), "tanh": Tanh(), "sigmoid": Sigmoid(), "identity": Identity(),
  ]

  /// Trains all steps with the group `network.replicas`, and returns the mismatches.
  ///
  /// - Parameter compareGradients: whether this replica's first gradients are the whole batch's.
  package func run(compareGradients: Bool) throws -> [String] {
    var mismatches: [String] = []
    guard let inputs = file.inputs[golden.inputs], let targets = file.targets[golden.targets] else {
      throw GoldenError.missing("inputs or targets")
    }
    for step in inputs.indices {
      network.schedule = LearningRateSchedule(base: golden.learningRates[step])
      let rows = inputs[step].count
      let owned = network.replicas.slices.ownedRows(batchRows: rows)
      let x = AlignedBuffer(inputs[step][owned].flatMap { $0.map(Float.init) })
      let classes = AlignedBuffer(targets.classes.map { Array($0[step][owned]) } ?? [])
      let values = AlignedBuffer(
        targets.rows.map { $0[step][owned].flatMap { $0.map(Float.init) } } ?? [])
      let weights = golden.weights.map { AlignedBuffer($0[step][owned].map(Float.init)) }
      let batch = Batch(
        globalRows: rows, inputs: x.matrix(rows: owned.count, columns: golden.widths[0]),
        targets: targets.classes != nil
          ? .classes(classes.elements)
          : .values(values.matrix(rows: owned.count, columns: network.outputs)),
        weights: weights?.elements)
      let result = try withExtendedLifetime((x, classes, values, weights)) {
        try network.train(batch)
      }
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
      let statistics = golden.expected.runningStatistics[entry.layer]
      let expected =
        switch entry.specification.name {
        case "norm.running_mean": statistics.mean
        case "norm.running_var": statistics.variance
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
