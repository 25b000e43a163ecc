// SPDX-License-Identifier: Apache-2.0

/// Batch normalization of a layer's input.
///
///     Ahat = (A - mean) / sqrt(var + epsilon)        per feature
///     Abar = Ahat * gamma + beta
///     running = momentum * running + (1 - momentum) * batch       for mean and variance
///
/// Mean and population variance are those of the whole global batch, as `torch.nn.SyncBatchNorm`
/// computes them, unless ``scope`` is ``Scope/replica``. Inference uses the running statistics.
/// Unlike in PyTorch, ``momentum`` is the weight of the old value, 1 minus PyTorch's `momentum`,
/// and the running variance averages the population variance, not the unbiased one.
///
/// Source: Ioffe, Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing
/// Internal Covariate Shift", ICML 2015 (https://arxiv.org/abs/1502.03167).
public struct BatchNormalization: Hashable, Sendable {
  /// Which gradient is propagated back through the normalization.
  public enum Backward: Hashable, Sendable {
    /// The exact gradient, through mean and variance too.
    ///
    /// With dAbar the gradient with respect to Abar, and means over the rows of the scope:
    /// dA = gamma / sqrt(var + epsilon) * (dAbar - mean(dAbar) - Ahat * mean(dAbar * Ahat)).
    case exact
    /// The gradient with mean and variance as constants: dA = dAbar * gamma / sqrt(var + epsilon).
    case frozenStatistics
  }

  /// The rows over which mean and variance are computed in training.
  public enum Scope: Hashable, Sendable {
    /// All rows of the global batch, as in `torch.nn.SyncBatchNorm`.
    case batch
    /// Each replica's own rows, so that results depend on the number of replicas.
    ///
    /// The running statistics are still those of the whole batch, the same on all replicas.
    case replica
  }

  /// The rows over which mean and variance are computed in training.
  public let scope: Scope
  /// Which gradient is propagated back.
  public let backward: Backward
  /// The weight of the old value in the update of the running statistics, in (0, 1).
  public let momentum: Double
  /// The term added to the variance before taking the square root.
  public let epsilon: Double

  /// Creates the settings of a normalization.
  public init(
    scope: Scope = .batch, backward: Backward = .exact, momentum: Double = 0.9,
    epsilon: Double = 1e-5
  ) {
    self.scope = scope
    self.backward = backward
    self.momentum = momentum
    self.epsilon = epsilon
  }

  /// The number of rows that statistics are computed over; at least 1, also without rows.
  func rows(of slices: BatchSlices) -> Int {
    scope == .batch ? slices.batchRows : Swift.max(slices.rows, 1)
  }
}

/// A fully connected layer's weights and bias with the normalization by running statistics folded
/// in.
///
/// With r = 1 / sqrt(running variance + eps): W'_kj = W_kj gamma_j r_j and
/// b' = b + W (beta - gamma * r * running mean), so inference is one matrix product.
///
/// Folding subtracts W' mean from W' x, which loses as many digits as the mean has standard
/// deviations. If a feature's mean exceeds ``maximumMean`` standard deviations, the means are
/// subtracted from a copy of the input instead, and b' = b + W beta.
final class FoldedWeights {
  private static let maximumMean: Float = 256

  private let inputs: Int
  private let outputs: Int
  private var version: Int?
  private var isFolded = false
  private var centers = false
  private var scaled = AlignedBuffer<Float>(count: 0)
  private var means: AlignedBuffer<Float>
  private var centeredInput = AlignedBuffer<Float>(count: 0)
  /// b'.
  let bias: AlignedBuffer<Float>

  init(inputs: Int, outputs: Int) {
    self.inputs = inputs
    self.outputs = outputs
    means = AlignedBuffer(count: inputs)
    bias = AlignedBuffer(count: outputs)
  }

  /// W'^T (`n x m`).
  func weights(_ memory: LayerMemory) -> UnsafePointer<Float> {
    UnsafePointer(isFolded ? scaled.base : memory.tensor(FullyConnectedLayer.Tensor.weight))
  }

  /// Folds again if parameters or running statistics have changed since the last call.
  func update(from memory: LayerMemory, _ normalization: BatchNormalization?) {
    guard version != memory.version else { return }
    version = memory.version
    let b = memory.tensor(FullyConnectedLayer.Tensor.bias)
    bias.base.update(from: b, count: outputs)
    guard let normalization else { return }
    if scaled.count == 0 { scaled = AlignedBuffer(count: inputs * outputs) }
    isFolded = true
    fold(memory, Float(normalization.epsilon))
  }

  private func fold(_ memory: LayerMemory, _ epsilon: Float) {
    typealias Tensor = FullyConnectedLayer.Tensor
    let w = memory.tensor(Tensor.weight)
    let gamma = memory.tensor(Tensor.gamma)
    let beta = memory.tensor(Tensor.beta)
    let mean = memory.tensor(Tensor.runningMean)
    let variance = memory.tensor(Tensor.runningVariance)
    means.base.update(from: mean, count: inputs)
    centers = (0..<inputs).contains {
      abs(mean[$0]) > Self.maximumMean * (variance[$0] + epsilon).squareRoot()
    }
    var shifts = [Double](repeating: 0, count: outputs)
    for j in 0..<inputs {
      let scale = gamma[j] / (variance[j] + epsilon).squareRoot()
      let shift = Double(beta[j]) - (centers ? 0 : Double(scale) * Double(mean[j]))
      for k in 0..<outputs {
        let weight = w[j * outputs + k]
        scaled.base[j * outputs + k] = weight * scale
        shifts[k] += Double(weight) * shift
      }
    }
    for k in 0..<outputs { bias.base[k] += Float(shifts[k]) }
  }

  /// The input, or a copy of it with the running means subtracted.
  func centered(_ input: MatrixView) -> MatrixView {
    guard centers else { return input }
    if centeredInput.count < input.elements.count {
      centeredInput = AlignedBuffer(count: input.elements.count)
    }
    for row in 0..<input.rows {
      let source = input.row(row)
      let target = centeredInput.base + row * inputs
      for j in 0..<inputs { target[j] = source[j] - means.base[j] }
    }
    return centeredInput.matrix(rows: input.rows, columns: inputs)
  }
}
