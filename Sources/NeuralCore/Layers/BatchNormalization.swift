// SPDX-License-Identifier: Apache-2.0

/// Batch normalization of a layer's input.
///
///     Ahat = (A - mean) / sqrt(var + epsilon)        per feature
///     Abar = Ahat * gamma + beta
///     running = m * running + (1 - m) * batch                     for mean and variance
///     m = min(momentum, 1 - 1/k)                                  in update k = 1, 2, ...
///
/// Mean and population variance are those of the whole global batch, as `torch.nn.SyncBatchNorm`
/// computes them, unless ``scope`` is ``Scope/replica``. Inference uses the running statistics: the
/// plain mean over the first batches, as PyTorch computes it with `momentum=None`, until ``momentum``
/// is reached. Their initial values leave no trace. A running variance of 0 means that the feature
/// never varied within a batch: inference then takes Ahat as 0, whatever the feature's value, rather
/// than scale an unknown deviation by 1 / sqrt(epsilon).
///
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
  /// Whether the running statistics of the first updates are plain means over the batches so far.
  ///
  /// If not, every update uses ``momentum``, from a running mean of 0 and variance of 1, and
  /// inference has no special case for a variance of 0: PyTorch's rule, by which networks were
  /// trained whose checkpoints don't state that they average.
  public let averagesFirstBatches: Bool
  /// The term added to the variance before taking the square root.
  public let epsilon: Double

  /// Creates the settings of a normalization.
  public init(
    scope: Scope = .batch, backward: Backward = .exact, momentum: Double = 0.9,
    averagesFirstBatches: Bool = true, epsilon: Double = 1e-5
  ) {
    self.scope = scope
    self.backward = backward
    self.momentum = momentum
    self.averagesFirstBatches = averagesFirstBatches
    self.epsilon = epsilon
  }

  /// The weight of the old value in an update of the running statistics; the first is number 1.
  func momentum(ofUpdate number: Int) -> Double {
    averagesFirstBatches ? Swift.min(momentum, 1 - 1 / Double(number)) : momentum
  }

  /// Whether a batch of `rows` rows updates the running statistics: one row has no variance to learn
  /// from, and its 0 would make inference amplify deviations.
  func updatesStatistics(rows: Int) -> Bool {
    rows > 1 || !averagesFirstBatches
  }

  /// The number of rows that statistics are computed over; at least 1, also without rows.
  func rows(of slices: BatchSlices) -> Int {
    scope == .batch ? slices.batchRows : Swift.max(slices.rows, 1)
  }
}

/// A fully connected layer's weights and bias with the normalization by running statistics folded
/// in.
///
/// With r = 1 / sqrt(running variance + eps), or 0 for a feature that never varied (see
/// ``BatchNormalization``): W'_kj = W_kj gamma_j r_j and b' = b + W (beta - gamma * r * running mean),
/// so inference is one matrix product.
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
    fold(memory, normalization)
  }

  private func fold(_ memory: LayerMemory, _ normalization: BatchNormalization) {
    let epsilon = Float(normalization.epsilon)
    typealias Tensor = FullyConnectedLayer.Tensor
    let w = memory.tensor(Tensor.weight)
    let gamma = memory.tensor(Tensor.gamma)
    let beta = memory.tensor(Tensor.beta)
    let mean = memory.tensor(Tensor.runningMean)
    let variance = memory.tensor(Tensor.runningVariance)
    means.base.update(from: mean, count: inputs)
    func neverVaried(_ j: Int) -> Bool { normalization.averagesFirstBatches && variance[j] == 0 }
    // Nothing to subtract: a difference that overflows would make NaN of the factor 0.
    for j in 0..<inputs where neverVaried(j) { means.base[j] = 0 }
    centers = (0..<inputs).contains {
      abs(means.base[$0]) > Self.maximumMean * (variance[$0] + epsilon).squareRoot()
    }
    var shifts = [Double](repeating: 0, count: outputs)
    for j in 0..<inputs {
      let scale = neverVaried(j) ? 0 : gamma[j] / (variance[j] + epsilon).squareRoot()
      let shift = Double(beta[j]) - (centers ? 0 : Double(scale) * Double(means.base[j]))
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
