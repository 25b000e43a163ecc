// SPDX-License-Identifier: Apache-2.0

/// Batch norm of the input, then weights and bias, then an activation.
///
/// For input A (`B x n`), weights W (`m x n`): Ahat = (A - mean) / sqrt(var + eps),
/// Abar = Ahat * gamma + beta, Z = Abar W^T + b, output = act(Z). Without normalisation Abar = A.
/// W starts He-normal before Relu and Glorot-uniform otherwise; b = 0, gamma = 1, beta = 0.
public final class FullyConnectedLayer: Layer {
  /// The function at the end.
  public let activation: any ActivationFunction
  /// How the input is normalised; nil for not at all.
  public let normalization: BatchNormalization?

  /// The positions of the tensors in ``tensors``.
  enum Tensor {
    static let weight = 0
    static let bias = 1
    static let gamma = 2
    static let beta = 3
    static let runningMean = 4
    static let runningVariance = 5
  }

  /// Ahat, or A without normalisation: what `backward` multiplies with.
  var normalized = AlignedBuffer<Float>(count: 0)
  /// Z of this replica's rows.
  var preActivations = AlignedBuffer<Float>(count: 0)
  /// Abar of one slice.
  var scaled = AlignedBuffer<Float>(count: 0)
  /// db of each slice.
  var biasGradients = AlignedBuffer<Float>(count: 0)
  let moments: SliceMoments
  /// With statistics of each replica's own: those of this one.
  private let ownMoments: SliceMoments?
  /// Of each slice, dgamma and then dbeta.
  let sums: SliceSums
  let scales: NormalizationScales
  /// Three numbers an input, for whatever a pass needs for a moment.
  let scratch: AlignedBuffer<Float>
  let folded: FoldedWeights
  private let scaleBuffer: AlignedBuffer<Float>

  /// Makes a layer; both extents are positive.
  public init(
    inputs: Int, outputs: Int, activation: any ActivationFunction,
    normalization: BatchNormalization? = BatchNormalization()
  ) {
    self.activation = activation
    self.normalization = normalization
    moments = SliceMoments(features: inputs)
    ownMoments = normalization?.scope == .replica ? SliceMoments(features: inputs) : nil
    sums = SliceSums(count: 2 * inputs)
    scaleBuffer = AlignedBuffer(count: 3 * inputs)
    scales = NormalizationScales(scaleBuffer, features: inputs)
    scratch = AlignedBuffer(count: 3 * inputs)
    folded = FoldedWeights(inputs: inputs, outputs: outputs)
    super.init(inputs: inputs, outputs: outputs)
  }

  public override var tensors: [TensorSpecification] {
    let start: Initializer =
      switch activation.weightInitializer {
      case .heNormal: .heNormal(inputs: inputs)
      case .glorotUniform: .glorotUniform(inputs: inputs, outputs: outputs)
      }
    let linear = [
      TensorSpecification("weight", shape: [outputs, inputs], initializer: start, role: .weight),
      TensorSpecification("bias", shape: [outputs], initializer: .constant(0), role: .undecayed),
    ]
    guard normalization != nil else { return linear }
    return linear
      + [
        ("gamma", 1, .undecayed), ("beta", 0, .undecayed), ("running_mean", 0, .statistic),
        ("running_var", 1, .statistic),
      ].map { name, value, role in
        TensorSpecification(
          "norm.\(name)", shape: [inputs], initializer: .constant(value), role: role)
      }
  }

  public override func reserve(rows: Int) {
    guard normalized.count < rows * inputs || preActivations.count < rows * outputs else { return }
    normalized = AlignedBuffer(count: rows * inputs)
    preActivations = AlignedBuffer(count: rows * outputs)
  }

  public override func forward(
    _ input: MatrixView, into output: MutableMatrixView, _ pass: LayerPass
  ) throws {
    if scaled.count < pass.slices.largestSlice * inputs {
      scaled = AlignedBuffer(count: pass.slices.largestSlice * inputs)
    }
    if let normalization {
      try takeStatistics(of: input, normalization, pass)
    }
    for rows in pass.slices.localRows {
      let source = input.rows(rows)
      let kept = normalized.base + rows.lowerBound * inputs
      var operand = UnsafePointer(kept)
      if normalization != nil {
        BatchStatistics.normalize(
          source, by: scales, gamma: pass.memory.tensor(Tensor.gamma),
          beta: pass.memory.tensor(Tensor.beta), normalized: kept, scaled: scaled.base)
        operand = UnsafePointer(scaled.base)
      } else {
        kept.update(from: source.base, count: source.elements.count)
      }
      let z = preActivations.base + rows.lowerBound * outputs
      try MatrixProduct.multiply(
        .init(base: operand, stride: inputs),
        by: .init(base: pass.memory.tensor(Tensor.weight), stride: inputs, transposed: true),
        into: z, stride: outputs, rows: rows.count, columns: outputs, inner: inputs)
      activate(
        MutableMatrixView(z, rows: rows.count, columns: outputs),
        bias: pass.memory.tensor(Tensor.bias), into: output.rows(rows))
    }
  }

  /// Z += b and output = act(Z), a few rows at a time so that they stay in the cache.
  func activate(
    _ z: MutableMatrixView, bias: UnsafePointer<Float>, into output: MutableMatrixView
  ) {
    let rowsAtOnce = Swift.max(1, 4096 / z.columns)
    var first = 0
    while first < z.rows {
      let rows = first..<Swift.min(first + rowsAtOnce, z.rows)
      for row in rows {
        Reductions.add(bias, to: z.base + row * z.columns, z.columns)
      }
      activation.apply(
        z.rows(rows).readOnly.elements, into: output.rows(rows).elements)
      first = rows.upperBound
    }
  }

  /// Sets the scales from the statistics, and takes those of the whole batch into the running ones.
  private func takeStatistics(
    of input: MatrixView, _ normalization: BatchNormalization, _ pass: LayerPass
  ) throws {
    moments.begin(pass.slices)
    for (item, rows) in pass.slices.localRows.enumerated() {
      BatchStatistics.moments(
        of: input.rows(rows), into: moments.row(item), scratch: scratch.base)
    }
    if let ownMoments {
      ownMoments.begin(copying: moments)
      ownMoments.mergeOwnAlone()
    }
    try pass.replicas.mergeMoments(moments)
    updateRunningStatistics(normalization, pass)
    let source = ownMoments ?? moments
    let rows = Double(normalization.rows(of: pass.slices))
    for j in 0..<inputs {
      scales.set(
        j, mean: source.mean[j], variance: source.sumOfSquares[j] / rows,
        epsilon: normalization.epsilon)
    }
  }

  private func updateRunningStatistics(_ normalization: BatchNormalization, _ pass: LayerPass) {
    let keep = normalization.momentum
    let runningMean = pass.memory.tensor(Tensor.runningMean)
    let runningVariance = pass.memory.tensor(Tensor.runningVariance)
    let batchRows = Double(pass.slices.batchRows)
    for j in 0..<inputs {
      let variance = moments.sumOfSquares[j] / batchRows
      runningMean[j] = Float(keep * Double(runningMean[j]) + (1 - keep) * moments.mean[j])
      runningVariance[j] = Float(keep * Double(runningVariance[j]) + (1 - keep) * variance)
    }
  }

  public override func backward(
    _ outputGradient: MutableMatrixView, into inputGradient: MutableMatrixView?,
    _ pass: LayerPass
  ) throws {
    try propagate(outputGradient, into: inputGradient, pass)
  }

  public override func infer(
    _ input: MatrixView, into output: MutableMatrixView, _ memory: LayerMemory
  ) throws {
    folded.update(from: memory, normalization)
    let source = folded.centered(input)
    try MatrixProduct.multiply(
      .init(base: source.base, stride: inputs),
      by: .init(base: folded.weights(memory), stride: inputs, transposed: true),
      into: output.base, stride: outputs, rows: input.rows, columns: outputs, inner: inputs)
    activate(output, bias: folded.bias.base, into: output)
  }

  public override func isFinite(rows: Int) -> Bool {
    [(normalized, inputs), (preActivations, outputs)].allSatisfy { buffer, columns in
      buffer.elements.prefix(rows * columns).allSatisfy(\.isFinite)
    }
  }
}
