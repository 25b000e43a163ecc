// SPDX-License-Identifier: Apache-2.0
import NeuralCore

/// Measures what a layer does in a step besides its products.
///
/// Values are such that a kernel can be repeated in place: factors are 1, and what is subtracted is 0.
struct LayerKernels {
  let workload: Workload
  let limits: MachineLimits
  private let input, hat, bar, z, gradient: AlignedBuffer<Float>
  private let zeros, ones, sums, scratch, scaleBuffer: AlignedBuffer<Float>
  private let moments: AlignedBuffer<Double>

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
    moments = AlignedBuffer(count: 2 * wide)
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
    return [
      row("moments of a batch", columns: n, passes: 1, operations: 6) {
        BatchStatistics.moments(of: a, into: moments.base, scratch: scratch.base)
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
          g.readOnly, normalized: hat.base, into: moments.base, scratch: scratch.base)
      },
      row("gradient through the normalization", columns: n, passes: 3, operations: 4) {
        BatchStatistics.inputGradient(
          g, normalized: hat.base, factor: ones.base, meanOfGradient: zeros.base,
          meanOfProduct: zeros.base)
      },
      try loss(),
    ]
  }

  /// - Parameters:
  ///   - passes: how often each element is read or written.
  ///   - operations: additions and multiplications an element.
  private func row(
    _ kernel: String, columns: Int, passes: Int, operations: Int, _ body: () throws -> Void
  ) rethrows -> Measurement {
    let elements = workload.batch * columns
    return Measurement(
      network: workload.name, kernel: kernel, shape: "\(workload.batch) x \(columns)",
      seconds: try Clock.seconds(body), operations: Double(operations * elements),
      bytes: 4 * passes * elements, limits: limits)
  }

  private func loss() throws -> Measurement {
    let (rows, classes) = (workload.batch, workload.classes)
    let labels = (0..<rows).map { Int32($0 % classes) }
    let outputs = MatrixView(input.base, rows: rows, columns: classes)
    let target = MutableMatrixView(gradient.base, rows: rows, columns: classes)
    return try labels.withUnsafeBufferPointer { labels in
      // A maximum, and an exponential of 20 operations.
      try row("softmax, loss and derivative", columns: classes, passes: 2, operations: 24) {
        _ = try CrossEntropy().computeWithDerivative(
          outputs, .classes(labels), batchRows: rows, into: target)
      }
    }
  }
}
