// SPDX-License-Identifier: Apache-2.0

/// A fully connected (linear) layer: batch normalization of the input, weights and bias,
/// activation.
///
/// With n = ``inputs`` and m = ``outputs``, for input A (`B x n`, B the rows of the global batch):
///
///     Ahat = (A - mean) / sqrt(var + eps)      mean, var per feature over the batch
///     Abar = Ahat * gamma + beta               Abar = A without normalization
///     Z    = Abar W^T + b
///     out  = act(Z)                            B x m
///
/// Tensors and their initial values:
/// - `weight` W (`m x n`): He-normal before ``Relu`` and its variants, Glorot-uniform otherwise; see
///   ``ActivationFunction/weightInitializer`` and ``Initializer``
/// - `bias` b (`m`): 0
/// - `norm.gamma` (`n`): 1, and `norm.beta` (`n`): 0
/// - `norm.running_mean` (`n`): 0, and `norm.running_var` (`n`): 1
///
/// W is stored in column-major order, that is, as W^T in row-major order (`n x m`): a product by a
/// matrix as it is stored is faster than by its transpose, and the first layer needs W^T only.
///
/// Inference folds the normalization by running statistics into weights and bias.
public final class FullyConnectedLayer: Layer {
  /// The activation function.
  public let activation: any ActivationFunction
  /// How the input is normalized; nil for no normalization.
  public let normalization: BatchNormalization?

  /// The indices of the tensors in ``tensors``.
  enum Tensor {
    static let weight = 0
    static let bias = 1
    static let gamma = 2
    static let beta = 3
    static let runningMean = 4
    static let runningVariance = 5
  }

  /// Ahat of this replica's rows, or A without normalization.
  private var normalized = AlignedBuffer<Float>(count: 0)
  /// Abar of this replica's rows.
  private var scaled = AlignedBuffer<Float>(count: 0)
  /// Z of this replica's rows.
  private var preActivations = AlignedBuffer<Float>(count: 0)
  /// db of each slice, padded to whole vectors.
  private var biasGradients = AlignedBuffer<Float>(count: 0)
  private let statistics: SliceStatistics
  /// With ``BatchNormalization/Scope/replica``: the statistics of this replica's rows alone.
  private let replicaStatistics: SliceStatistics?
  /// dgamma, then dbeta, of each slice, each padded to whole vectors.
  private let sums: SliceSums
  private let scales: NormalizationScales
  private let scaleBuffer: AlignedBuffer<Float>
  /// Scratch space: three vectors of `inputs` elements.
  private let scratch: AlignedBuffer<Float>
  /// Scratch space of matrix products.
  private var workspace = AlignedBuffer<Float>(count: 0)
  private let folded: FoldedWeights

  /// Creates a layer; `inputs` and `outputs` must be positive.
  public init(
    inputs: Int, outputs: Int, activation: any ActivationFunction,
    normalization: BatchNormalization? = BatchNormalization()
  ) {
    self.activation = activation
    self.normalization = normalization
    statistics = SliceStatistics(features: inputs)
    replicaStatistics = normalization?.scope == .replica ? SliceStatistics(features: inputs) : nil
    sums = SliceSums(count: 2 * Vectors.padded(inputs))
    scaleBuffer = AlignedBuffer(count: NormalizationScales.count(features: inputs))
    scales = NormalizationScales(scaleBuffer, features: inputs)
    scratch = AlignedBuffer(count: BatchStatistics.scratchCount(columns: inputs))
    folded = FoldedWeights(inputs: inputs, outputs: outputs)
    super.init(inputs: inputs, outputs: outputs)
  }

  public override var tensors: [TensorSpecification] {
    let initializer: Initializer =
      switch activation.weightInitializer {
      case .heNormal: .heNormal(inputs: inputs)
      case .glorotUniform: .glorotUniform(inputs: inputs, outputs: outputs)
      }
    let linear = [
      TensorSpecification(
        "weight", shape: [outputs, inputs], order: .columnMajor, initializer: initializer,
        role: .weight),
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

  public override func isFinite(rows: Int) -> Bool {
    [(normalized, inputs), (preActivations, outputs)].allSatisfy { buffer, columns in
      buffer.elements.prefix(rows * columns).allSatisfy(\.isFinite)
    }
  }

  // MARK: - Forward

  /// Computes the batch statistics of the input, which need no parameters.
  public override func prepare(_ input: MatrixView, _ pass: LayerPass) throws {
    guard normalization != nil else { return }
    statistics.begin(pass.slices)
    for (item, rows) in pass.slices.localRows.enumerated() {
      BatchStatistics.compute(
        input.rows(rows), into: statistics.row(item), scratch: scratch.base)
    }
    if let replicaStatistics {
      replicaStatistics.begin(copying: statistics)
      replicaStatistics.mergeOwnIntoWhole()
    }
    try pass.replicas.mergeStatistics(statistics)
  }

  public override func forward(
    _ input: MatrixView, into output: MutableMatrixView, _ pass: LayerPass
  ) throws {
    if let normalization {
      try updateStatistics(input, normalization, pass)
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
        .init(base: linearInput + first, stride: inputs),
        by: .init(base: pass.memory.tensor(Tensor.weight), stride: outputs),
        into: z, stride: outputs, rows: rows.count, columns: outputs, inner: inputs,
        workspace: workspace.base)
      activation.activate(
        MutableMatrixView(z, rows: rows.count, columns: outputs),
        adding: pass.memory.tensor(Tensor.bias), into: output.rows(rows))
    }
  }

  /// Abar, or A without normalization.
  private var linearInput: UnsafeMutablePointer<Float> {
    normalization == nil ? normalized.base : scaled.base
  }

  /// Sets the scales from the statistics, and updates the running ones from the whole batch's.
  private func updateStatistics(
    _ input: MatrixView, _ normalization: BatchNormalization, _ pass: LayerPass
  ) throws {
    if !pass.isPrepared { try prepare(input, pass) }
    if normalization.updatesStatistics(rows: pass.slices.batchRows) {
      NormalizationScales.updateRunning(
        mean: pass.memory.tensor(Tensor.runningMean),
        variance: pass.memory.tensor(Tensor.runningVariance), from: statistics,
        rows: Double(pass.slices.batchRows),
        momentum: normalization.momentum(ofUpdate: pass.updateNumber))
    }
    scales.set(
      replicaStatistics ?? statistics, rows: Double(normalization.rows(of: pass.slices)),
      epsilon: normalization.epsilon)
  }

  // MARK: - Backward

  /// Computes dW first, so that its exchange can overlap the computation of dA.
  ///
  ///     dZ    = dOut * act'(Z)
  ///     dW    = dZ^T Abar,  db = column sums of dZ
  ///     dAbar = dZ W,  dgamma = column sums of dAbar * Ahat,  dbeta = column sums of dAbar
  ///
  /// The first layer, whose dA nobody needs, computes no dAbar: from G = dZ^T Ahat (`m x n`) follow
  /// dW = G * diag(gamma) + db beta^T, dgamma_j = sum over k of W_kj G_kj, and dbeta_j = sum over k
  /// of W_kj db_k.
  public override func backward(
    _ outputGradient: MutableMatrixView, into inputGradient: MutableMatrixView?,
    _ pass: LayerPass
  ) throws {
    differentiateActivation(outputGradient, pass)
    if normalization != nil { sums.begin(pass.slices) }
    let gradient = outputGradient.readOnly
    if inputGradient != nil || normalization == nil {
      try accumulateWeightGradient(gradient, times: linearInput, pass) { _, _, _ in }
      if let inputGradient { try computeInputGradient(gradient, into: inputGradient, pass) }
    } else {
      try accumulateWeightGradient(gradient, times: normalized.base, pass) { g, panel, item in
        finishFirstLayer(g, panel, item: item, pass)
      }
      try accumulateScaleAndShift(pass)
    }
    try pass.accumulateGradient(of: Tensor.bias, elements: 0..<outputs) { item, _, target in
      target.update(from: biasGradient(item), count: outputs)
    }
    try pass.gradientsReady()
  }

  /// db of a slice.
  private func biasGradient(_ item: Int) -> UnsafeMutablePointer<Float> {
    biasGradients.base + item * Vectors.padded(outputs)
  }

  /// dZ = dOut * act'(Z) in place, and db of each slice.
  private func differentiateActivation(_ gradient: MutableMatrixView, _ pass: LayerPass) {
    let needed = pass.slices.localRows.count * Vectors.padded(outputs)
    if biasGradients.count < needed { biasGradients = AlignedBuffer(count: needed) }
    for (item, rows) in pass.slices.localRows.enumerated() {
      activation.differentiate(
        MatrixView(
          preActivations.base + rows.lowerBound * outputs, rows: rows.count, columns: outputs),
        gradient: gradient.rows(rows), sums: biasGradient(item))
    }
  }

  /// The number of inputs whose weight gradients are computed at once.
  ///
  /// A quarter of them, so that their exchange overlaps the computation of the next; but at least
  /// 256 and one megabyte, below which products slow down; and at most about four million elements,
  /// so that sums over slices stay in the cache. Depends on the shape alone, since bits may depend
  /// on it.
  private var panelRows: Int {
    let minimum = Swift.max(256, (1 << 18) / outputs)
    let maximum = Swift.max(16, (1 << 22) / outputs)
    let panels = Swift.max(1, Swift.min(4, inputs / minimum))
    return Swift.min(Vectors.padded((inputs + panels - 1) / panels), maximum)
  }

  /// Accumulates dW^T = `operand`^T (`n x B`) dZ panel by panel, after `finish` has changed it.
  private func accumulateWeightGradient(
    _ gradient: MatrixView, times operand: UnsafePointer<Float>, _ pass: LayerPass,
    _ finish: (UnsafeMutablePointer<Float>, _ panel: Range<Int>, _ item: Int) -> Void
  ) throws {
    let panelRows = self.panelRows
    var first = 0
    while first < inputs {
      let panel = first..<Swift.min(first + panelRows, inputs)
      try pass.accumulateGradient(
        of: Tensor.weight, elements: panel.lowerBound * outputs..<panel.upperBound * outputs
      ) { item, rows, g in
        try MatrixProduct.multiply(
          .init(
            base: operand + rows.lowerBound * inputs + first, stride: inputs, transposed: true),
          by: .init(base: gradient.row(rows.lowerBound), stride: outputs), into: g,
          stride: outputs, rows: panel.count, columns: outputs, inner: rows.count,
          workspace: workspace.base)
        finish(g, panel, item)
      }
      first = panel.upperBound
      try pass.gradientsReady(of: Tensor.weight, elements: 0..<first * outputs)
    }
  }

  /// Turns rows of G^T into rows of dW^T, and computes the slice's dgamma and dbeta from them.
  private func finishFirstLayer(
    _ g: UnsafeMutablePointer<Float>, _ panel: Range<Int>, item: Int, _ pass: LayerPass
  ) {
    let weights = pass.memory.tensor(Tensor.weight)
    let (gamma, beta) = (pass.memory.tensor(Tensor.gamma), pass.memory.tensor(Tensor.beta))
    let totals = sums.row(item)
    let shifts = totals + Vectors.padded(inputs)
    let db = biasGradient(item)
    for j in panel {
      (totals[j], shifts[j]) = WeightGradients.scaleAndSum(
        g + (j - panel.lowerBound) * outputs, weights: weights + j * outputs, biasGradient: db,
        count: outputs, gamma: gamma[j], beta: beta[j])
    }
  }

  /// dA from dAbar = dZ W, through the normalization.
  ///
  /// The column sums of dAbar * Ahat and dAbar are computed from dAbar itself, not from G: where
  /// the variance is near zero, dAbar - mean(dAbar) is multiplied by up to 1 / sqrt(eps), and only
  /// equal roundings cancel.
  private func computeInputGradient(
    _ gradient: MatrixView, into inputGradient: MutableMatrixView, _ pass: LayerPass
  ) throws {
    for (item, rows) in pass.slices.localRows.enumerated() {
      let target = inputGradient.rows(rows)
      try MatrixProduct.multiply(
        .init(base: gradient.row(rows.lowerBound), stride: outputs),
        by: .init(
          base: pass.memory.tensor(Tensor.weight), stride: outputs, transposed: true),
        into: target.base, stride: inputs, rows: rows.count, columns: inputs, inner: outputs,
        workspace: workspace.base)
      guard normalization != nil else { continue }
      BatchStatistics.gradientSums(
        target.readOnly, normalized: normalized.base + rows.lowerBound * inputs,
        into: sums.row(item), scratch: scratch.base)
    }
    try accumulateScaleAndShift(pass)
    if let normalization {
      try differentiateNormalization(inputGradient, normalization, pass)
    }
  }

  /// dA from dAbar, in place.
  private func differentiateNormalization(
    _ inputGradient: MutableMatrixView, _ normalization: BatchNormalization, _ pass: LayerPass
  ) throws {
    switch (normalization.backward, normalization.scope) {
    case (.exact, .batch): try pass.replicas.sumOverBatch(sums)
    case (.exact, .replica): sums.mergeOwnIntoWhole()
    case (.frozenStatistics, _): break
    }
    setBackwardScales(pass, rows: Double(normalization.rows(of: pass.slices)))
    let stride = Vectors.padded(inputs)
    let (factor, mean, product) = (scratch.base, scratch.base + stride, scratch.base + 2 * stride)
    for rows in pass.slices.localRows {
      let target = inputGradient.rows(rows)
      switch normalization.backward {
      case .exact:
        BatchStatistics.inputGradient(
          target, normalized: normalized.base + rows.lowerBound * inputs, factor: factor,
          meanOfGradient: mean, meanOfProduct: product)
      case .frozenStatistics:
        BatchStatistics.scaleColumns(target, by: factor)
      }
    }
  }

  /// Writes gamma / sqrt(var + eps), mean(dAbar) and mean(dAbar * Ahat) to the scratch space.
  private func setBackwardScales(_ pass: LayerPass, rows: Double) {
    let gamma = pass.memory.tensor(Tensor.gamma)
    let stride = Vectors.padded(inputs)
    let (factor, mean, product) = (scratch.base, scratch.base + stride, scratch.base + 2 * stride)
    let (sums, rstd) = (self.sums.whole.base, scales.reciprocalDeviation)
    Vectors.forEach(inputs) { j, lanes in
      Vectors.store(
        Vectors.load(gamma + j, count: lanes) * Vectors.load(rstd + j), to: factor + j)
    }
    let scale = 1 / rows
    DoubleVectors.forEach(stride) { j in
      DoubleVectors.store(DoubleVectors.load(sums + stride + j) * scale, to: mean + j)
      DoubleVectors.store(DoubleVectors.load(sums + j) * scale, to: product + j)
    }
  }

  /// Accumulates dgamma and dbeta from the slices' sums.
  private func accumulateScaleAndShift(_ pass: LayerPass) throws {
    guard normalization != nil else { return }
    let stride = Vectors.padded(inputs)
    for (tensor, offset) in [(Tensor.gamma, 0), (Tensor.beta, stride)] {
      try pass.accumulateGradient(of: tensor, elements: 0..<inputs) { item, _, target in
        let source = sums.row(item) + offset
        for j in 0..<inputs { target[j] = Float(source[j]) }
      }
    }
  }

  // MARK: - Inference

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
}
