// SPDX-License-Identifier: Apache-2.0
import COneDNN
import NeuralCore

/// Measures a layer's three matrix products, and oneDNN's where `SmallProduct` computes them.
struct ProductKernels {
  let workload: Workload
  let limits: MachineLimits
  private let left, right, result, workspace: AlignedBuffer<Float>

  init(_ workload: Workload, _ limits: MachineLimits) {
    self.workload = workload
    self.limits = limits
    let (rows, n, m) = (workload.batch, workload.inputs, workload.outputs)
    let count = Swift.max(rows * n, rows * m, m * n)
    (left, right) = (AlignedBuffer(count: count), AlignedBuffer(count: count))
    left.fill(with: 0.5)
    right.fill(with: 0.25)
    result = AlignedBuffer(count: count)
    workspace = AlignedBuffer(
      count: MatrixProduct.workspaceCount(rows: rows, columns: n, inner: m))
  }

  func measure() throws -> [Measurement] {
    let (rows, n, m) = (workload.batch, workload.inputs, workload.outputs)
    let forward = Product(rows: rows, columns: m, inner: n, transposed: (false, false))
    let backward = Product(rows: rows, columns: n, inner: m, transposed: (false, true))
    let weights = Product(rows: n, columns: m, inner: rows, transposed: (true, false))
    return try [
      ("outputs, A W^T", forward), ("input gradient, dZ W", backward),
      ("weight gradient, A^T dZ", weights),
    ].flatMap { name, product in
      let ours = try row(name, product) { try multiply(product) }
      guard
        SmallProduct.isFaster(rows: product.rows, columns: product.columns, inner: product.inner)
      else { return [ours] }
      return [ours, try row("the same by oneDNN", product) { try multiplyByOneDNN(product) }]
    }
  }

  private struct Product {
    let rows, columns, inner: Int
    let transposed: (left: Bool, right: Bool)
    var leftStride: Int { transposed.left ? rows : inner }
    var rightStride: Int { transposed.right ? inner : columns }
  }

  private func multiply(_ product: Product) throws {
    try MatrixProduct.multiply(
      .init(base: left.base, stride: product.leftStride, transposed: product.transposed.left),
      by: .init(
        base: right.base, stride: product.rightStride, transposed: product.transposed.right),
      into: result.base, stride: product.columns, rows: product.rows, columns: product.columns,
      inner: product.inner, workspace: workspace.base)
  }

  private func multiplyByOneDNN(_ product: Product) throws {
    clockstep_onednn_use_one_thread()
    let letter = { (transposed: Bool) in CChar(UInt8(ascii: transposed ? "T" : "N")) }
    let status = dnnl_sgemm(
      letter(product.transposed.left), letter(product.transposed.right),
      dnnl_dim_t(product.rows), dnnl_dim_t(product.columns), dnnl_dim_t(product.inner), 1,
      left.base, dnnl_dim_t(product.leftStride), right.base, dnnl_dim_t(product.rightStride), 0,
      result.base, dnnl_dim_t(product.columns))
    guard status == dnnl_success else {
      throw NeuralCoreError.productFailed(
        rows: product.rows, columns: product.columns, inner: product.inner,
        status: Int(status.rawValue))
    }
  }

  private func row(
    _ kernel: String, _ product: Product, _ body: () throws -> Void
  ) rethrows -> Measurement {
    let (rows, columns, inner) = (product.rows, product.columns, product.inner)
    return Measurement(
      network: workload.name, kernel: kernel, shape: "\(rows) x \(columns) x \(inner)",
      seconds: try Clock.seconds(body), operations: 2 * Double(rows * columns * inner),
      bytes: 4 * (rows * inner + inner * columns + rows * columns), limits: limits)
  }
}

/// Measures a layer's other kernels.
///
/// Factors are 1 and subtrahends 0, so that kernels can be repeated in place.
struct LayerKernels {
  let workload: Workload
  let limits: MachineLimits
  private let input, hat, bar, z, gradient: AlignedBuffer<Float>
  private let zeros, ones, sums, scratch, scaleBuffer: AlignedBuffer<Float>
  private let statistics: AlignedBuffer<Double>

  init(_ workload: Workload, _ limits: MachineLimits) {
    self.workload = workload
    self.limits = limits
    let wide = Vectors.padded(Swift.max(workload.inputs, workload.outputs))
    let count = workload.batch * wide
    var stream = PhiloxStream(seed: 1, purpose: .syntheticData)
    let numbers = (0..<count).map { _ in Float(stream.next(below: 2001)) / 1000 - 1 }
    (input, hat, z) = (AlignedBuffer(numbers), AlignedBuffer(numbers), AlignedBuffer(numbers))
    (bar, gradient) = (AlignedBuffer(numbers), AlignedBuffer(numbers))
    (zeros, ones) = (AlignedBuffer(count: wide), AlignedBuffer(count: wide))
    ones.fill(with: 1)
    sums = AlignedBuffer(count: wide)
    scratch = AlignedBuffer(count: BatchStatistics.scratchCount(columns: workload.inputs))
    scaleBuffer = AlignedBuffer(count: NormalizationScales.count(features: workload.inputs))
    statistics = AlignedBuffer(count: 2 * wide)
  }

  func measure() throws -> [Measurement] {
    let (rows, n, m) = (workload.batch, workload.inputs, workload.outputs)
    let a = input.matrix(rows: rows, columns: n)
    let g = gradient.mutableMatrix(rows: rows, columns: n)
    let scales = NormalizationScales(scaleBuffer, features: n)
    let (zOfOutputs, gOfOutputs) = (
      z.mutableMatrix(rows: rows, columns: m), gradient.mutableMatrix(rows: rows, columns: m)
    )
    let barOfOutputs = bar.mutableMatrix(rows: rows, columns: m)
    return try [
      row("batch statistics", columns: n, passes: 1, operations: 6) {
        BatchStatistics.compute(a, into: statistics.base, scratch: scratch.base)
      },
      row("normalize and scale", columns: n, passes: 3, operations: 5) {
        BatchStatistics.normalize(
          a, by: scales, gamma: ones.base, beta: zeros.base, normalized: hat.base, scaled: bar.base)
      },
      row("bias and ReLU", columns: m, passes: 3, operations: 1) {
        Relu().activate(zOfOutputs, adding: zeros.base, into: barOfOutputs)
      },
      row("ReLU's derivative and bias gradient", columns: m, passes: 3, operations: 1) {
        Relu().differentiate(zOfOutputs.readOnly, gradient: gOfOutputs, sums: sums.base)
      },
      row("sums of the gradient", columns: n, passes: 2, operations: 3) {
        BatchStatistics.gradientSums(
          g.readOnly, normalized: hat.base, into: statistics.base, scratch: scratch.base)
      },
      row("gradient through the normalization", columns: n, passes: 3, operations: 4) {
        BatchStatistics.inputGradient(
          g, normalized: hat.base, factor: ones.base, meanOfGradient: zeros.base,
          meanOfProduct: zeros.base)
      },
    ]
      + losses() + blocks()
      + Self.activations.flatMap { name, function, operations, slopeOperations in
        // Repeated products with slopes below 1 would become subnormal, and slow.
        gradient.fill(with: 0)
        return [
          row("bias and \(name)", columns: m, passes: 3, operations: operations) {
            function.activate(zOfOutputs, adding: zeros.base, into: barOfOutputs)
          },
          row(
            "\(name)'s derivative and bias gradient", columns: m, passes: 3,
            operations: slopeOperations
          ) {
            function.differentiate(zOfOutputs.readOnly, gradient: gOfOutputs, sums: sums.base)
          },
        ]
      }
  }

  /// The kernels of dropout and layer normalization.
  ///
  /// Eight blocks of Philox are 106 vector instructions for 32 units. Integer instructions other than
  /// multiplications run at twice the rate of fused multiply-adds, whose 32 operations each count here.
  private func blocks() -> [Measurement] {
    let (rows, n, m) = (workload.batch, workload.inputs, workload.outputs)
    let a = input.matrix(rows: rows, columns: n)
    let mask = DropoutMask(seed: 1, firstRow: 0, update: 1, layerNumber: 1, probability: 0.5)
    let bits = AlignedBuffer<UInt32>(count: rows * DropoutMask.stride(units: m))
    let deviations = AlignedBuffer<Float>(count: rows)
    return [
      row("dropout's mask", columns: m, passes: 0, operations: 53) {
        mask.fill(bits.base, rows: rows, units: m)
      },
      row("dropout, value or derivative", columns: m, passes: 2, operations: 1) {
        DropoutMask.apply(
          bits.base, to: input.matrix(rows: rows, columns: m), scale: 2,
          into: bar.mutableMatrix(rows: rows, columns: m))
      },
      row("layer norm", columns: n, passes: 3, operations: 11) {
        RowNormalization.normalize(
          a, epsilon: 1e-5, gamma: ones.base, beta: zeros.base, normalized: hat.base,
          scaled: bar.base, reciprocalDeviation: deviations.base)
      },
      row("gradient through layer norm", columns: n, passes: 3, operations: 9) {
        RowNormalization.differentiate(
          gradient.matrix(rows: rows, columns: n), normalized: hat.base, gamma: ones.base,
          reciprocalDeviation: deviations.base, into: bar.mutableMatrix(rows: rows, columns: n))
      },
    ]
  }

  /// The activations besides ReLU, with the floating-point operations per element of value and
  /// derivative: 20 for an exponential, two for a fused multiply-add.
  private static let activations: [(String, any ActivationFunction, Int, Int)] = [
    ("leaky ReLU", LeakyRelu(), 2, 2), ("ELU", Elu(), 24, 25), ("GELU", Gelu(), 54, 53),
    ("SiLU", Silu(), 30, 32), ("softplus", Softplus(), 40, 27), ("tanh", Tanh(), 27, 30),
    ("sigmoid", Sigmoid(), 25, 27),
  ]

  /// - Parameters:
  ///   - passes: reads and writes per element.
  ///   - operations: additions and multiplications per element.
  private func row(
    _ kernel: String, columns: Int, passes: Int, operations: Int, _ body: () throws -> Void
  ) rethrows -> Measurement {
    let elements = workload.batch * columns
    return Measurement(
      network: workload.name, kernel: kernel, shape: "\(workload.batch) x \(columns)",
      seconds: try Clock.seconds(body), operations: Double(operations * elements),
      bytes: 4 * passes * elements, limits: limits)
  }

  /// Cross-entropy of classes, and the losses of elements for as many targets.
  private func losses() throws -> [Measurement] {
    let (rows, classes) = (workload.batch, workload.classes)
    let labels = (0..<rows).map { Int32($0 % classes) }
    let outputs = MatrixView(input.base, rows: rows, columns: classes)
    let target = MutableMatrixView(gradient.base, rows: rows, columns: classes)
    func measure(
      _ kernel: String, _ loss: any LossFunction, _ targets: TargetView, passes: Int,
      operations: Int
    ) throws -> Measurement {
      try row(kernel, columns: classes, passes: passes, operations: operations) {
        _ = try loss.computeWithDerivative(outputs, targets, batchRows: rows, into: target)
      }
    }
    return try labels.withUnsafeBufferPointer { labels in
      // The maximum, and an exponential of 20 operations.
      try [
        measure(
          "softmax, loss and derivative", CrossEntropy(), .classes(labels), passes: 2,
          operations: 24),
        measure(
          "the same with label smoothing", CrossEntropy(labelSmoothing: 0.1),
          .classes(labels), passes: 2, operations: 27),
      ]
        + Self.losses.map { name, loss, operations in
          try measure(
            "\(name), loss and derivative", loss,
            .values(MatrixView(hat.base, rows: rows, columns: classes)), passes: 3,
            operations: operations)
        }
    }
  }

  /// The losses of elements, with the floating-point operations per element as for activations.
  private static let losses: [(String, any LossFunction, Int)] = [
    ("absolute error", MeanAbsoluteError(), 6), ("Huber", Huber(), 9),
    ("quantile", QuantileLoss(tau: 0.9), 11), ("Poisson", PoissonLoss(), 26),
    ("binary cross-entropy", BinaryCrossEntropy(), 43),
  ]
}

/// Measures the kernels that are applied to all weights of a layer at the end of a step.
struct ParameterKernels {
  let workload: Workload
  let limits: MachineLimits
  private let count: Int
  private let weights, gradients, moments: AlignedBuffer<Float>
  private let store: ParameterStore
  private let sums = SliceSums(count: 1)

  init(_ workload: Workload, _ limits: MachineLimits) {
    self.workload = workload
    self.limits = limits
    count = workload.inputs * workload.outputs
    let weight = TensorSpecification(
      "weight", shape: [workload.outputs, workload.inputs], order: .columnMajor,
      initializer: .heNormal(inputs: workload.inputs), role: .weight)
    store = ParameterStore(ParameterTable(layers: [[weight]]), seed: 1)
    (weights, gradients) = (AlignedBuffer(count: count), AlignedBuffer(count: count))
    moments = AlignedBuffer(count: 2 * count)
    weights.fill(with: 0.5)
    gradients.fill(with: 0.25)
    moments.fill(with: 0.125)
  }

  func measure() -> [Measurement] {
    let shard = OptimizerShard(
      parameters: weights.base, gradients: gradients.base, moments: moments.base,
      momentStride: count, count: count, decays: true, gradientScale: 1)
    let (adam, sgd) = (AdamOptimizer(), VanillaSGDOptimizer(momentum: 0.9))
    let rmsprop = RMSPropOptimizer(momentum: 0.9)
    let maxNorm = MaxNorm(store.table)
    return [
      row("squares of the gradient", passes: 1, operations: 2) {
        _ = Reductions.sumOfSquares(gradients.base, count)
      },
      row("gradients of two slices added", passes: 3, operations: 1) {
        Reductions.add(gradients.base, to: weights.base, count)
      },
      row("Adam", passes: 7, operations: 14) { adam.updateGradients(shard, update(adam)) },
      row("SGD with momentum", passes: 5, operations: 6) {
        sgd.updateGradients(shard, update(sgd))
      },
      row("RMSProp with momentum", passes: 7, operations: 11) {
        rmsprop.updateGradients(shard, update(rmsprop))
      },
      // The first pass reads four arrays and writes two, the second reads three and writes one.
      layerwise("LAMB, both passes", LAMBOptimizer(), passes: 10, operations: 27),
      layerwise(
        "LARS with momentum, both passes", LARSOptimizer(momentum: 0.9), passes: 7, operations: 13),
      row("max-norm, no row exceeding it", passes: 1, operations: 2) {
        maxNorm.apply(1e30, to: store)
      },
    ]
  }

  /// An update with the sums of squares and the trust ratio, as a single replica does it.
  private func layerwise(
    _ name: String, _ optimizer: any Optimizer, passes: Int, operations: Int
  ) -> Measurement {
    let state = OptimizerState(
      store.table, ranges: [0..<store.table.parameterCount], optimizer: optimizer)
    state.moments.fill(with: 0.125)
    let update = update(optimizer)
    return row(name, passes: passes, operations: operations) {
      if let trustRatios = state.trustRatios {
        state.computeSteps(
          update, gradientNorm: 1, of: store, gradients: gradients.base, trustRatios)
        trustRatios.finish()
      }
      state.apply(update, gradientNorm: 1, to: store, gradients: gradients.base)
    }
  }

  private func update(_ optimizer: any Optimizer) -> ParameterUpdate {
    ParameterUpdate(optimizer: optimizer, number: 9, learningRate: 1e-6, sums: sums)
  }

  private func row(
    _ kernel: String, passes: Int, operations: Int, _ body: () -> Void
  ) -> Measurement {
    Measurement(
      network: workload.name, kernel: kernel, shape: "\(count)",
      seconds: Clock.seconds(body), operations: Double(operations * count),
      bytes: 4 * passes * count, limits: limits)
  }
}
