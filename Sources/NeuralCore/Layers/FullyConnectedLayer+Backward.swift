// SPDX-License-Identifier: Apache-2.0

extension FullyConnectedLayer {
  /// The gradient: by the weights first, which can travel while that by the input is made, with its sums
  /// over the batch.
  ///
  /// dW = dZ^T Abar, and dgamma and dbeta are the column sums of dAbar * Ahat and dAbar. The first
  /// layer, whose input gradient nobody needs, makes no dAbar: from G = dZ^T Ahat (`m x n`) follow
  /// dW = G * diag(gamma) + db beta^T, dgamma_j = sum over k of W_kj G_kj, and dbeta_j = sum over k
  /// of W_kj db_k.
  func propagate(
    _ outputGradient: MutableMatrixView, into inputGradient: MutableMatrixView?,
    _ pass: LayerPass
  ) throws {
    differentiateActivation(outputGradient, pass)
    if normalization != nil { sums.begin(pass.slices) }
    let gradient = outputGradient.readOnly
    if inputGradient != nil || normalization == nil {
      try accumulateWeights(gradient, times: operand, pass) { _, _, _ in }
      if let inputGradient { try passOn(gradient, into: inputGradient, pass) }
    } else {
      try accumulateWeights(gradient, times: normalized.base, pass) { g, panel, item in
        scaleAndSum(g, panel, item: item, pass)
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

  /// dZ = dOut * act'(Z) in place, and db of each slice as the column sums of dZ.
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

  /// dA from dAbar = dZ W, through the normalization.
  ///
  /// The sums of dAbar * Ahat and dAbar are taken from dAbar itself, not from G: where the variance
  /// is near zero, dAbar - mean(dAbar) is multiplied by up to 1 / sqrt(eps), and only equal
  /// roundings cancel.
  private func passOn(
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
    guard let normalization else { return }
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

  /// gamma / sqrt(var + eps), mean(dAbar) and mean(dAbar * Ahat) into the scratch.
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

  /// Adds up dgamma and dbeta from the slices' sums.
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

  /// How many inputs' weights are worked on at once.
  ///
  /// Those of a quarter of them, so that their gradients can be on their way while the next are made; of
  /// 256 at least, and a megabyte, which costs products nothing; and about four million elements at most,
  /// so that those which are added up over slices stay in the cache. Depends on the shape alone, since
  /// bits may depend on it.
  private var panelRows: Int {
    let (least, most) = (Swift.max(256, (1 << 18) / outputs), Swift.max(16, (1 << 22) / outputs))
    let panels = Swift.max(1, Swift.min(4, inputs / least))
    return Swift.min(Vectors.padded((inputs + panels - 1) / panels), most)
  }

  /// Adds up `operand`^T (`n x B`) times dZ, which is dW^T, panel by panel, each finished by `finish`.
  private func accumulateWeights(
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

  /// Turns rows of G^T into rows of dW^T, and takes the slice's dgamma and dbeta from them.
  private func scaleAndSum(
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
}
