// SPDX-License-Identifier: Apache-2.0

/// Compares the gradients that layers and losses compute with finite differences of the loss.
///
/// For custom layers, activations and losses, alone or in whole networks. This layer is right:
///
/// ```swift
/// /// out = A * A, element by element.
/// final class Square: Layer {
///   private var kept = AlignedBuffer<Float>(count: 0)
///
///   init(columns: Int) { super.init(inputs: columns, outputs: columns) }
///
///   override func reserve(rows: Int) {
///     if kept.count < rows * inputs { kept = AlignedBuffer(count: rows * inputs) }
///   }
///   override func forward(
///     _ input: MatrixView, into output: MutableMatrixView, _ pass: LayerPass
///   ) throws {
///     for i in 0..<input.elements.count { kept.base[i] = input.elements[i] }
///     try infer(input, into: output, pass.memory)
///   }
///   override func backward(
///     _ outputGradient: MutableMatrixView, into inputGradient: MutableMatrixView?,
///     _ pass: LayerPass
///   ) throws {
///     guard let inputGradient else { return }
///     for i in 0..<inputGradient.elements.count {
///       inputGradient.elements[i] = 2 * kept.base[i] * outputGradient.elements[i]
///     }
///   }
///   override func infer(
///     _ input: MatrixView, into output: MutableMatrixView, _ memory: LayerMemory
///   ) throws {
///     for i in 0..<input.elements.count { output.elements[i] = input.elements[i] * input.elements[i] }
///   }
/// }
///
/// let report = try GradientCheck.run(Square(columns: 5))
/// print(report)
/// precondition(report.largestRelativeError < 1e-3)
/// ```
///
/// Losses are computed by the network in Float32, but added in Float64, and differentiated by central
/// differences with 12 steps from 1/4 down to 2^-13 (times the parameter, if that is larger than 1),
/// which are extrapolated to a step of zero: Ridders, "Accurate Computation of F'(x) and F'(x) F''(x)",
/// Advances in Engineering Software 4, 1982. Of all extrapolations the one counts which differs least
/// from those it is made of: larger steps suffer from curvature, smaller ones from rounding. What remains
/// is typically below 1e-4, while a wrong formula is off by 1e-2 or more.
///
/// A function with a kink, such as ``Relu`` or the absolute value, has no derivative there. Differences
/// with small steps miss kinks mostly; an element whose errors are large with one seed and gone with
/// another is at one.
///
/// ``Dropout`` has the same mask each time, since the number of the update stays the same, and batch
/// norm the statistics of the batch. Parameters and running statistics are the same afterward.
public enum GradientCheck {
  /// The largest error of each tensor's gradient.
  public struct Report: Sendable, CustomStringConvertible {
    /// How the gradient of a tensor compares with finite differences.
    public struct Tensor: Sendable {
      /// The tensor's name, such as `layers.0.weight`.
      public let name: String
      /// The number of elements that were checked.
      public let checkedElements: Int
      /// The largest error, divided by the largest magnitude of this tensor's gradient, or by 1 % of the
      /// largest magnitude of all gradients if that is more; infinite if anything is not finite.
      public let largestRelativeError: Double
      /// The element with the largest error, counted in row-major order.
      public let element: Int
      /// The gradient of that element as the network computes it.
      public let gradient: Double
      /// The same by finite differences.
      public let difference: Double
    }

    /// All tensors with gradients.
    public let tensors: [Tensor]

    /// The largest relative error of all tensors; 0 without tensors.
    public var largestRelativeError: Double {
      tensors.map(\.largestRelativeError).max() ?? 0
    }

    /// One line per tensor: its largest error, and where it is.
    public var description: String {
      tensors.map {
        "\($0.name): relative error \($0.largestRelativeError) at element \($0.element), gradient "
          + "\($0.gradient), by differences \($0.difference)"
      }.joined(separator: "\n")
    }
  }

  /// Checks the gradients of a network with respect to its parameters.
  ///
  /// This replica alone, with as many slices as the network's group has.
  ///
  /// - Parameters:
  ///   - batch: a batch of which this replica has all rows; a few rows suffice.
  ///   - maximumElements: the maximum number of elements that are checked of each tensor, spread evenly.
  ///     Each takes 24 forward passes.
  /// - Throws: whatever the network throws, as ``NeuralCoreError`` if the batch does not fit.
  public static func run(
    _ network: NeuralNetwork, on batch: Batch, maximumElements: Int = 64
  ) throws -> Report {
    let group = network.replicas
    defer { network.replicas = group }
    network.replicas = SingleReplica(
      network.store, slices: group.slices.count, optimizer: network.optimizer)
    let differences = FiniteDifferences(network, batch)
    let samples = try differences.samples(maximumElements)
    let largest = samples.map(\.magnitude).max() ?? 0
    return Report(tensors: samples.map { $0.compared(floor: 0.01 * largest) })
  }

  /// Checks the gradients of a layer with respect to its input and its parameters.
  ///
  /// Input and targets are random, the loss is ``MeanSquaredError``, and parameters are moved away from
  /// their initial values, at which errors could hide.
  ///
  /// - Parameters:
  ///   - rows: the number of rows of the batch, of two slices.
  ///   - seed: the seed of all random numbers.
  ///   - maximumElements: as in ``run(_:on:maximumElements:)``.
  /// - Returns: a report on `input` and on the layer's tensors, by their own names.
  /// - Throws: whatever the layer throws.
  public static func run(
    _ layer: Layer, rows: Int = 5, seed: UInt64 = 0, maximumElements: Int = 64
  ) throws -> Report {
    let network = try NeuralNetwork(
      layers: [InputTensor(rows: rows, columns: layer.inputs), layer], loss: MeanSquaredError(),
      optimizer: VanillaSGDOptimizer(), seed: seed)
    network.replicas = SingleReplica(network.store, slices: 2, optimizer: network.optimizer)
    for (index, entry) in network.store.table.entries.enumerated()
    where entry.layer == 1 && !entry.isStatistic {
      let change = AlignedBuffer<Float>(count: entry.specification.count)
      PhiloxStream(seed: seed, purpose: .syntheticData, subject: UInt32(index))
        .fillUniform(change.mutableElements, limit: 0.5)
      let elements = network.store.elements(of: entry)
      for i in elements.indices { elements[i] += change[i] }
    }
    network.store.markChanged()
    let inputs = AlignedBuffer<Float>(count: rows * layer.inputs)
    let targets = AlignedBuffer<Float>(count: rows * layer.outputs)
    PhiloxStream(seed: seed, purpose: .syntheticData, subject: .max)
      .fillNormal(targets.mutableElements, standardDeviation: 1)
    let report = try withExtendedLifetime((inputs, targets)) {
      try run(
        network,
        on: Batch(
          inputs: inputs.matrix(rows: rows, columns: layer.inputs),
          targets: .values(targets.matrix(rows: rows, columns: layer.outputs))),
        maximumElements: maximumElements)
    }
    return Report(tensors: report.tensors.map { $0.named($0.name.removingLayer) })
  }
}

extension String {
  /// `weight` for `layers.1.weight`.
  fileprivate var removingLayer: String {
    split(separator: ".", maxSplits: 2).last.map(String.init) ?? self
  }
}

extension GradientCheck.Report.Tensor {
  fileprivate func named(_ name: String) -> Self {
    Self(
      name: name, checkedElements: checkedElements, largestRelativeError: largestRelativeError,
      element: element, gradient: gradient, difference: difference)
  }
}

/// A layer whose output is a parameter, so that its gradient is that of the next layer's input.
private final class InputTensor: Layer {
  private let rows: Int

  init(rows: Int, columns: Int) {
    self.rows = rows
    super.init(inputs: columns, outputs: columns)
  }

  override var tensors: [TensorSpecification] {
    // Variance 1.
    [
      TensorSpecification(
        "input", shape: [rows, inputs], initializer: .heNormal(inputs: 2), role: .weight)
    ]
  }

  override func forward(
    _ input: MatrixView, into output: MutableMatrixView, _ pass: LayerPass
  ) throws {
    output.base.update(from: pass.memory.tensor(0), count: output.elements.count)
  }

  override func backward(
    _ outputGradient: MutableMatrixView, into inputGradient: MutableMatrixView?,
    _ pass: LayerPass
  ) throws {
    try pass.accumulateGradient(of: 0, elements: 0..<rows * inputs) { _, rows, gradient in
      gradient.update(repeating: 0, count: self.rows * inputs)
      let first = rows.lowerBound * inputs
      (gradient + first).update(from: outputGradient.base + first, count: rows.count * inputs)
    }
    try pass.gradientsReady()
  }
}

/// Gradients of a network, and the same by finite differences.
private struct FiniteDifferences {
  private let network: NeuralNetwork
  private let batch: Batch
  private let statistics: [Float]

  init(_ network: NeuralNetwork, _ batch: Batch) {
    self.network = network
    self.batch = batch
    statistics = Array(network.store.statistics.elements)
  }

  /// The gradients of some elements of a tensor.
  struct Sample {
    let name: String
    var elements: [Int] = []
    var gradients: [Double] = []
    var differences: [Double] = []

    /// The largest finite magnitude.
    var magnitude: Double {
      (gradients + differences).lazy.filter(\.isFinite).map(abs).max() ?? 0
    }

    func compared(floor: Double) -> GradientCheck.Report.Tensor {
      let unit = Swift.max(magnitude, floor)
      let errors = zip(gradients, differences).map { gradient, difference in
        let error = abs(gradient - difference)
        return !error.isFinite ? Double.infinity : error == 0 ? 0 : error / unit
      }
      let worst = errors.indices.max { errors[$0] < errors[$1] } ?? 0
      return GradientCheck.Report.Tensor(
        name: name, checkedElements: elements.count, largestRelativeError: errors[worst],
        element: elements[worst], gradient: gradients[worst], difference: differences[worst])
    }
  }

  func samples(_ maximum: Int) throws -> [Sample] {
    try network.computeGradients(PreparedBatch(batch))
    restoreStatistics()
    let gradients = Array(network.store.gradients[0].elements)
    return try network.store.table.entries.filter { !$0.isStatistic }.map { entry in
      var sample = Sample(name: entry.name)
      for element in chosen(of: entry.specification.count, Swift.max(maximum, 1)) {
        let place = entry.span.lowerBound + entry.specification.layout.place(ofElement: element)
        sample.elements.append(element)
        sample.gradients.append(Double(gradients[place]))
        sample.differences.append(try difference(at: network.store.parameters.base + place))
      }
      return sample
    }
  }

  /// At most `maximum` of `count` elements, one at random from each of as many equal parts.
  private func chosen(of count: Int, _ maximum: Int) -> [Int] {
    guard count > maximum else { return Array(0..<count) }
    var stream = PhiloxStream(seed: network.seed, purpose: .syntheticData, subject: .max - 1)
    return (0..<maximum).map { part in
      let (first, end) = (part * count / maximum, (part + 1) * count / maximum)
      return first + Int(stream.next(below: UInt32(clamping: end - first)))
    }
  }

  /// The derivative of the loss with respect to a parameter; NaN if the loss is not finite.
  private func difference(at parameter: UnsafeMutablePointer<Float>) throws -> Double {
    let value = parameter.pointee
    defer { parameter.pointee = value }
    var step = 0.25 * Swift.max(abs(value), 1)
    var previous: [Double] = []
    var (best, smallestError) = (Double.nan, Double.infinity)
    for _ in 0..<12 {
      let (above, below) = (value + step, value - step)
      parameter.pointee = above
      let high = try loss()
      parameter.pointee = below
      let low = try loss()
      // With each order the error falls by a factor of 4 more if the step is halved.
      var current = [(high - low) / (Double(above) - Double(below))]
      var factor = 1.0
      for (order, before) in previous.enumerated() {
        factor *= 4
        let extrapolated = (factor * current[order] - before) / (factor - 1)
        let error = Swift.max(abs(extrapolated - current[order]), abs(extrapolated - before))
        if error <= smallestError { (best, smallestError) = (extrapolated, error) }
        current.append(extrapolated)
      }
      previous = current
      step /= 2
    }
    return best
  }

  private func loss() throws -> Double {
    defer { restoreStatistics() }
    let outputs = try network.forward(PreparedBatch(batch))
    _ = try network.differentiateLoss(outputs.readOnly, batch)
    network.totals.mergeOwnIntoWhole()
    return network.totals.whole[0] / Double(batch.globalRows)
  }

  private func restoreStatistics() {
    statistics.withUnsafeBufferPointer { saved in
      guard let source = saved.baseAddress else { return }
      network.store.statistics.base.update(from: source, count: saved.count)
    }
    network.store.markChanged()
  }
}

extension TensorLayout {
  /// The position in memory of an element that is counted in row-major order.
  fileprivate func place(ofElement element: Int) -> Int {
    guard order == .columnMajor else { return element }
    return element % shape[1] * shape[0] + element / shape[1]
  }
}
