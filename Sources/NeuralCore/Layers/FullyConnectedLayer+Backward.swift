// SPDX-License-Identifier: Apache-2.0

extension FullyConnectedLayer {
  /// The gradient: by the input first, with its sums over the batch, then by the parameters.
  ///
  /// The weights' gradient goes by way of G = dZ^T Ahat (`m x n`): dW = G * diag(gamma) + db beta^T.
  /// From G follow also dgamma_j = sum over k of W_kj G_kj and dbeta_j = sum over k of W_kj db_k, so
  /// the first layer, whose input gradient nobody needs, makes no second product.
  func propagate(
    _ outputGradient: MutableMatrixView, into inputGradient: MutableMatrixView?,
    _ pass: LayerPass
  ) throws {
    differentiateActivation(outputGradient, pass)
    if normalization != nil { beginSums(pass) }
    if let inputGradient {
      try passOn(outputGradient.readOnly, into: inputGradient, pass)
      try accumulateWeights(outputGradient.readOnly, pass, summing: false)
    } else {
      try accumulateWeights(outputGradient.readOnly, pass, summing: normalization != nil)
      try accumulateScaleAndShift(pass)
    }
    try pass.accumulateGradient(of: Tensor.bias, elements: 0..<outputs) { item, _, target in
      target.update(from: biasGradients.base + item * outputs, count: outputs)
    }
    try pass.gradientsReady()
  }

  /// dZ = dOut * act'(Z) in place, and db of each slice as the column sums of dZ.
  private func differentiateActivation(_ gradient: MutableMatrixView, _ pass: LayerPass) {
    let needed = pass.slices.localRows.count * outputs
    if biasGradients.count < needed { biasGradients = AlignedBuffer(count: needed) }
    let rowsAtOnce = Swift.max(1, 4096 / outputs)
    for (item, slice) in pass.slices.localRows.enumerated() {
      let sums = biasGradients.base + item * outputs
      sums.update(repeating: 0, count: outputs)
      var first = slice.lowerBound
      while first < slice.upperBound {
        let rows = first..<Swift.min(first + rowsAtOnce, slice.upperBound)
        let z = MatrixView(
          preActivations.base + first * outputs, rows: rows.count, columns: outputs)
        let part = gradient.rows(rows)
        activation.derivative(z.elements, times: part.elements)
        for row in 0..<rows.count {
          Reductions.add(part.base + row * outputs, to: sums, outputs)
        }
        first = rows.upperBound
      }
    }
  }

  private func beginSums(_ pass: LayerPass) {
    sums.begin(pass.slices)
    for item in pass.slices.localRows.indices {
      sums.row(item).update(repeating: 0, count: 2 * inputs)
    }
  }

  /// dA from dAbar = dZ W, through the normalisation.
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
        by: .init(base: pass.memory.tensor(Tensor.weight), stride: inputs), into: target.base,
        stride: inputs, rows: rows.count, columns: inputs, inner: outputs)
      guard normalization != nil else { continue }
      BatchStatistics.gradientSums(
        target.readOnly, normalized: normalized.base + rows.lowerBound * inputs,
        into: sums.row(item), scratch: scratch.base)
    }
    try accumulateScaleAndShift(pass)
    guard let normalization else { return }
    switch (normalization.backward, normalization.scope) {
    case (.exact, .batch): try pass.replicas.sumOverBatch(sums)
    case (.exact, .replica): sums.mergeOwnAlone()
    case (.frozenStatistics, _): break
    }
    setBackwardScales(pass, rows: Double(normalization.rows(of: pass.slices)))
    let (factor, mean, product) = (scratch.base, scratch.base + inputs, scratch.base + 2 * inputs)
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
    for j in 0..<inputs {
      scratch.base[j] = gamma[j] * scales.reciprocalDeviation[j]
      scratch.base[inputs + j] = Float(sums.whole.base[inputs + j] / rows)
      scratch.base[2 * inputs + j] = Float(sums.whole.base[j] / rows)
    }
  }

  /// Adds up dgamma and dbeta from the slices' sums.
  private func accumulateScaleAndShift(_ pass: LayerPass) throws {
    guard normalization != nil else { return }
    for (tensor, offset) in [(Tensor.gamma, 0), (Tensor.beta, inputs)] {
      try pass.accumulateGradient(of: tensor, elements: 0..<inputs) { item, _, target in
        let source = sums.row(item) + offset
        for j in 0..<inputs { target[j] = Float(source[j]) }
      }
    }
  }

  /// Weights are worked on in panels of about a million elements, which stay in the cache.
  private static let panelElements = 1 << 20

  /// Adds up dW; when `summing`, also each slice's dgamma and dbeta into `sums`.
  private func accumulateWeights(
    _ gradient: MatrixView, _ pass: LayerPass, summing: Bool
  ) throws {
    let panelRows = Swift.max(16, Self.panelElements / inputs)
    var first = 0
    while first < outputs {
      let panel = first..<Swift.min(first + panelRows, outputs)
      try pass.accumulateGradient(
        of: Tensor.weight, elements: panel.lowerBound * inputs..<panel.upperBound * inputs
      ) { item, rows, g in
        try MatrixProduct.multiply(
          .init(base: gradient.row(rows.lowerBound) + first, stride: outputs, transposed: true),
          by: .init(base: normalized.base + rows.lowerBound * inputs, stride: inputs), into: g,
          stride: inputs, rows: panel.count, columns: inputs, inner: rows.count)
        if summing { sumPanel(g, panel, item: item, pass) }
        if normalization != nil { scalePanel(g, panel, item: item, pass) }
      }
      first = panel.upperBound
    }
  }

  /// Adds what rows of G and W contribute to dgamma and dbeta of a slice.
  private func sumPanel(
    _ g: UnsafePointer<Float>, _ panel: Range<Int>, item: Int, _ pass: LayerPass
  ) {
    let n = inputs
    let weights = pass.memory.tensor(Tensor.weight)
    let biasGradient = biasGradients.base + item * outputs
    let (gammaSums, betaSums) = (scratch.base, scratch.base + n)
    scratch.base.update(repeating: 0, count: 2 * n)
    for k in panel {
      let row = g + (k - panel.lowerBound) * n
      let w = weights + k * n
      let db = biasGradient[k]
      for j in 0..<n {
        gammaSums[j] += w[j] * row[j]
        betaSums[j] += w[j] * db
      }
    }
    let totals = sums.row(item)
    for j in 0..<2 * n { totals[j] += Double(scratch.base[j]) }
  }

  /// Turns rows of G into rows of dW = G * diag(gamma) + db beta^T.
  private func scalePanel(
    _ g: UnsafeMutablePointer<Float>, _ panel: Range<Int>, item: Int, _ pass: LayerPass
  ) {
    let gamma = pass.memory.tensor(Tensor.gamma)
    let beta = pass.memory.tensor(Tensor.beta)
    for k in panel {
      let row = g + (k - panel.lowerBound) * inputs
      let db = biasGradients.base[item * outputs + k]
      for j in 0..<inputs { row[j] = row[j] * gamma[j] + db * beta[j] }
    }
  }
}
