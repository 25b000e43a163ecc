// SPDX-License-Identifier: Apache-2.0

/// Batch norm of the input, then weights and bias, then an activation.
///
/// For input A (`B x n`), weights W (`m x n`): Ahat = (A - mean) / sqrt(var + eps),
/// Abar = Ahat * gamma + beta, Z = Abar W^T + b, output = act(Z). Without normalization Abar = A.
/// W starts He-normal before Relu and Glorot-uniform otherwise; b = 0, gamma = 1, beta = 0.
///
/// W lies in memory column by column, which is W^T row by row (`n x m`): a product by a matrix as it
/// lies is faster than by its transpose, and the first layer multiplies by W^T only.
public final class FullyConnectedLayer: Layer {
  /// The function at the end.
  public let activation: any ActivationFunction
  /// How the input is normalized; nil for not at all.
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

  /// Ahat, or A without normalization: what `backward` multiplies with.
  var normalized = AlignedBuffer<Float>(count: 0)
  /// Z of this replica's rows.
  var preActivations = AlignedBuffer<Float>(count: 0)
  /// Abar of this replica's rows.
  var scaled = AlignedBuffer<Float>(count: 0)
  /// db of each slice, padded to whole vectors.
  var biasGradients = AlignedBuffer<Float>(count: 0)
  let moments: SliceStatistics
  /// With statistics of each replica's own: those of this one.
  private let ownMoments: SliceStatistics?
  /// Of each slice, dgamma and then dbeta, each padded to whole vectors.
  let sums: SliceSums
  let scales: NormalizationScales
  /// Three vectors an input, for whatever a pass needs for a moment.
  let scratch: AlignedBuffer<Float>
  /// What small products need for a moment.
  private(set) var workspace = AlignedBuffer<Float>(count: 0)
  let folded: FoldedWeights
  private let scaleBuffer: AlignedBuffer<Float>

  /// Makes a layer; both extents are positive.
  public init(
    inputs: Int, outputs: Int, activation: any ActivationFunction,
    normalization: BatchNormalization? = BatchNormalization()
  ) {
    self.activation = activation
    self.normalization = normalization
    moments = SliceStatistics(features: inputs)
    ownMoments = normalization?.scope == .replica ? SliceStatistics(features: inputs) : nil
    sums = SliceSums(count: 2 * Vectors.padded(inputs))
    scaleBuffer = AlignedBuffer(count: NormalizationScales.count(features: inputs))
    scales = NormalizationScales(scaleBuffer, features: inputs)
    scratch = AlignedBuffer(count: BatchStatistics.scratchCount(columns: inputs))
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
      TensorSpecification(
        "weight", shape: [outputs, inputs], order: .columnMajor, initializer: start, role: .weight),
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
    if normalization != nil { scaled = AlignedBuffer(count: rows * inputs) }
    workspace = AlignedBuffer(
      count: MatrixProduct.workspaceCount(rows: rows, columns: inputs, inner: outputs))
  }

  /// Abar, or A without normalization.
  var operand: UnsafeMutablePointer<Float> {
    normalization == nil ? normalized.base : scaled.base
  }

  public override func prepare(_ input: MatrixView, _ pass: LayerPass) throws {
    guard normalization != nil else { return }
    moments.begin(pass.slices)
    for (item, rows) in pass.slices.localRows.enumerated() {
      BatchStatistics.moments(
        of: input.rows(rows), into: moments.row(item), scratch: scratch.base)
    }
    if let ownMoments {
      ownMoments.begin(copying: moments)
      ownMoments.mergeOwnIntoWhole()
    }
    try pass.replicas.mergeStatistics(moments)
  }

  public override func forward(
    _ input: MatrixView, into output: MutableMatrixView, _ pass: LayerPass
  ) throws {
    if let normalization {
      try takeStatistics(of: input, normalization, pass)
    }
    for rows in pass.slices.localRows {
      let source = input.rows(rows)
      let first = rows.lowerBound * inputs
      if normalization != nil {
        BatchStatistics.normalize(
          source, by: scales, gamma: pass.memory.tensor(Tensor.gamma),
          beta: pass.memory.tensor(Tensor.beta), normalized: normalized.base + first,
          scaled: scaled.base + first)
      } else {
        (normalized.base + first).update(from: source.base, count: source.elements.count)
      }
      let z = preActivations.base + rows.lowerBound * outputs
      try MatrixProduct.multiply(
        .init(base: operand + first, stride: inputs),
        by: .init(base: pass.memory.tensor(Tensor.weight), stride: outputs),
        into: z, stride: outputs, rows: rows.count, columns: outputs, inner: inputs,
        workspace: workspace.base)
      activation.activate(
        MutableMatrixView(z, rows: rows.count, columns: outputs),
        adding: pass.memory.tensor(Tensor.bias), into: output.rows(rows))
    }
  }

  /// Sets the scales from the statistics, and takes those of the whole batch into the running ones.
  private func takeStatistics(
    of input: MatrixView, _ normalization: BatchNormalization, _ pass: LayerPass
  ) throws {
    if !pass.isPrepared { try prepare(input, pass) }
    NormalizationScales.updateRunning(
      mean: pass.memory.tensor(Tensor.runningMean),
      variance: pass.memory.tensor(Tensor.runningVariance), from: moments,
      rows: Double(pass.slices.batchRows), momentum: normalization.momentum)
    scales.set(
      ownMoments ?? moments, rows: Double(normalization.rows(of: pass.slices)),
      epsilon: normalization.epsilon)
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
      by: .init(base: folded.weights(memory), stride: outputs),
      into: output.base, stride: outputs, rows: input.rows, columns: outputs, inner: inputs,
      workspace: workspace.base)
    activation.activate(output, adding: folded.bias.base, into: output)
  }

  public override func isFinite(rows: Int) -> Bool {
    [(normalized, inputs), (preActivations, outputs)].allSatisfy { buffer, columns in
      buffer.elements.prefix(rows * columns).allSatisfy(\.isFinite)
    }
  }
}
