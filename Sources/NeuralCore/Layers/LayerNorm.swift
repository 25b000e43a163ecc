// SPDX-License-Identifier: Apache-2.0

/// Layer normalization: each row is normalized by its own mean and variance.
///
///     Ahat = (A - mean) / sqrt(var + epsilon)      mean, var per row over the features
///     out  = Ahat * gamma + beta                   per feature
///
/// (`rows x features`, as `torch.nn.LayerNorm`; the variance is the population variance.) Training and
/// inference compute the same, without running statistics, so that neither the batch's size nor its
/// other rows matter. With g = dOut * gamma, and means over the features of a row,
///
///     dA     = (g - mean(g) - Ahat * mean(g * Ahat)) / sqrt(var + epsilon)
///     dgamma = column sums of dOut * Ahat,  dbeta = column sums of dOut
///
/// Tensors and their initial values: `gamma` (`features`): 1, and `beta` (`features`): 0.
///
/// Source: Ba, Kiros, Hinton, "Layer Normalization", 2016 (https://arxiv.org/abs/1607.06450).
public final class LayerNorm: Layer {
  /// The term added to the variance before taking the square root.
  public let epsilon: Double

  private enum Tensor {
    static let gamma = 0
    static let beta = 1
  }

  /// Ahat of this replica's rows.
  private var normalized = AlignedBuffer<Float>(count: 0)
  /// 1 / sqrt(var + epsilon) of this replica's rows.
  private var reciprocalDeviations = AlignedBuffer<Float>(count: 0)
  /// dgamma, then dbeta, of each slice, each padded to whole vectors.
  private let sums: SliceSums
  private let scratch: AlignedBuffer<Float>

  /// Creates the layer; `features` must be positive.
  public init(features: Int, epsilon: Double = 1e-5) {
    self.epsilon = epsilon
    sums = SliceSums(count: 2 * Vectors.padded(features))
    scratch = AlignedBuffer(count: BatchStatistics.scratchCount(columns: features))
    super.init(inputs: features, outputs: features)
  }

  public override var tensors: [TensorSpecification] {
    [
      TensorSpecification(
        "gamma", shape: [inputs], initializer: .constant(1), role: .undecayed),
      TensorSpecification("beta", shape: [inputs], initializer: .constant(0), role: .undecayed),
    ]
  }

  public override func reserve(rows: Int) {
    guard normalized.count < rows * inputs else { return }
    normalized = AlignedBuffer(count: rows * inputs)
    reciprocalDeviations = AlignedBuffer(count: rows)
  }

  public override func isFinite(rows: Int) -> Bool {
    normalized.elements.prefix(rows * inputs).allSatisfy(\.isFinite)
  }

  public override func forward(
    _ input: MatrixView, into output: MutableMatrixView, _ pass: LayerPass
  ) throws {
    RowNormalization.normalize(
      input, epsilon: epsilon, gamma: pass.memory.tensor(Tensor.gamma),
      beta: pass.memory.tensor(Tensor.beta), normalized: normalized.base, scaled: output.base,
      reciprocalDeviation: reciprocalDeviations.base)
  }

  public override func backward(
    _ outputGradient: MutableMatrixView, into inputGradient: MutableMatrixView?,
    _ pass: LayerPass
  ) throws {
    try accumulateScaleAndShift(outputGradient.readOnly, pass)
    guard let inputGradient else { return }
    RowNormalization.differentiate(
      outputGradient.readOnly, normalized: normalized.base,
      gamma: pass.memory.tensor(Tensor.gamma), reciprocalDeviation: reciprocalDeviations.base,
      into: inputGradient)
  }

  private func accumulateScaleAndShift(_ gradient: MatrixView, _ pass: LayerPass) throws {
    sums.begin(pass.slices)
    for (item, rows) in pass.slices.localRows.enumerated() {
      BatchStatistics.gradientSums(
        gradient.rows(rows), normalized: normalized.base + rows.lowerBound * inputs,
        into: sums.row(item), scratch: scratch.base)
    }
    let stride = Vectors.padded(inputs)
    for (tensor, offset) in [(Tensor.gamma, 0), (Tensor.beta, stride)] {
      try pass.accumulateGradient(of: tensor, elements: 0..<inputs) { item, _, target in
        let source = sums.row(item) + offset
        for j in 0..<inputs { target[j] = Float(source[j]) }
      }
    }
    try pass.gradientsReady()
  }

  public override func infer(
    _ input: MatrixView, into output: MutableMatrixView, _ memory: LayerMemory
  ) throws {
    RowNormalization.normalize(
      input, epsilon: epsilon, gamma: memory.tensor(Tensor.gamma),
      beta: memory.tensor(Tensor.beta), normalized: output.base, scaled: output.base,
      reciprocalDeviation: nil)
  }
}
