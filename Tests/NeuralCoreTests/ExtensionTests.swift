// SPDX-License-Identifier: Apache-2.0
import NeuralCore
import Testing

/// The softsign function, as a user would write it.
struct Softsign: ActivationFunction {
  func apply(_ z: UnsafeBufferPointer<Float>, into output: UnsafeMutableBufferPointer<Float>) {
    for i in 0..<z.count { output[i] = z[i] / (1 + abs(z[i])) }
  }

  func derivative(
    _ z: UnsafeBufferPointer<Float>, times gradient: UnsafeMutableBufferPointer<Float>
  ) {
    for i in 0..<z.count { gradient[i] /= (1 + abs(z[i])) * (1 + abs(z[i])) }
  }
}

/// The pseudo-Huber loss, sqrt(1 + d^2) - 1 with d = yhat - y, as a user would write it.
struct PseudoHuber: LossFunction {
  func compute(_ outputs: MatrixView, _ targets: TargetView) throws -> Double {
    guard case .values(let y) = targets else { return .nan }
    return zip(outputs.elements, y.elements).reduce(0) { sum, pair in
      let d = Double(pair.0) - Double(pair.1)
      return sum + (1 + d * d).squareRoot() - 1
    }
  }

  func derivative(
    _ outputs: MatrixView, _ targets: TargetView, batchRows: Int,
    into gradient: MutableMatrixView
  ) throws {
    guard case .values(let y) = targets else { return }
    for i in 0..<outputs.elements.count {
      let d = outputs.elements[i] - y.elements[i]
      gradient.elements[i] = d / (1 + d * d).squareRoot() / Float(batchRows)
    }
  }
}

/// Steps of fixed length against the sign of the gradient, as a user would write it.
struct SignDescent: Optimizer {
  let momentNames: [String] = []

  func updateGradients(_ shard: OptimizerShard, _ update: ParameterUpdate) {
    for i in 0..<shard.count where shard.gradients[i] != 0 {
      shard.parameters[i] -= Float(update.learningRate) * (shard.gradients[i] > 0 ? 1 : -1)
    }
  }
}

/// A layer with one trainable factor per column, as a user would write it.
final class ColumnScale: Layer {
  private var kept = AlignedBuffer<Float>(count: 0)

  init(columns: Int) { super.init(inputs: columns, outputs: columns) }

  override var tensors: [TensorSpecification] {
    [TensorSpecification("factor", shape: [inputs], initializer: .constant(1), role: .weight)]
  }

  override func reserve(rows: Int) {
    if kept.count < rows * inputs { kept = AlignedBuffer(count: rows * inputs) }
  }

  override func forward(
    _ input: MatrixView, into output: MutableMatrixView, _ pass: LayerPass
  ) throws {
    for i in 0..<input.elements.count { kept.base[i] = input.elements[i] }
    try infer(input, into: output, pass.memory)
  }

  override func backward(
    _ outputGradient: MutableMatrixView, into inputGradient: MutableMatrixView?,
    _ pass: LayerPass
  ) throws {
    try pass.accumulateGradient(of: 0, elements: 0..<inputs) { _, rows, sum in
      for j in 0..<inputs { sum[j] = 0 }
      for i in rows.lowerBound * inputs..<rows.upperBound * inputs {
        sum[i % inputs] += outputGradient.elements[i] * kept.base[i]
      }
    }
    try pass.gradientsReady()
    if let inputGradient { try infer(outputGradient.readOnly, into: inputGradient, pass.memory) }
  }

  override func infer(
    _ input: MatrixView, into output: MutableMatrixView, _ memory: LayerMemory
  ) throws {
    let factor = memory.tensor(0)
    for i in 0..<input.elements.count {
      output.elements[i] = input.elements[i] * factor[i % inputs]
    }
  }
}

@Suite("Custom layers, activations, losses and optimizers")
struct ExtensionTests {
  static func network(slices: Int) throws -> NeuralNetwork {
    let network = try NeuralNetwork(
      layers: [
        FullyConnectedLayer(inputs: 4, outputs: 8, activation: Softsign()),
        ColumnScale(columns: 8),
        FullyConnectedLayer(inputs: 8, outputs: 2, activation: Identity(), normalization: nil),
      ],
      loss: PseudoHuber(), optimizer: SignDescent(),
      schedule: LearningRateSchedule(base: 0.01), seed: 1)
    network.replicas = SingleReplica(network.store, slices: slices, optimizer: network.optimizer)
    return network
  }

  @Test("a custom layer, activation, loss and optimizer train together")
  func learns() throws {
    let network = try Self.network(slices: 3)
    let x = AlignedBuffer<Float>(count: 64 * 4)
    PhiloxStream(seed: 5, purpose: .syntheticData)
      .fillNormal(x.mutableElements, standardDeviation: 1)
    let y = AlignedBuffer<Float>(count: 64 * 2)
    for row in 0..<64 {
      y[2 * row] = x[4 * row] - x[4 * row + 1]
      y[2 * row + 1] = 0.5 * x[4 * row + 2]
    }
    let batch = Batch(
      inputs: x.matrix(rows: 64, columns: 4), targets: .values(y.matrix(rows: 64, columns: 2)))
    try withExtendedLifetime((x, y)) {
      let first = try network.train(batch).loss
      var last = first
      for _ in 0..<200 { last = try network.train(batch).loss }
      #expect(last < first / 4)
    }
  }

  @Test("a network whose layers do not fit together throws")
  func misfit() {
    #expect(throws: NeuralCoreError.self) {
      try NeuralNetwork(
        layers: [ColumnScale(columns: 3), ColumnScale(columns: 4)], loss: MeanSquaredError(),
        optimizer: SignDescent(), seed: 0)
    }
  }

  @Test("a step with a loss that is not finite throws before any parameter changes")
  func notFinite() throws {
    let network = try Self.network(slices: 2)
    let before = Array(network.store.parameters.elements)
    let x = AlignedBuffer<Float>(repeatElement(.nan, count: 8))
    let y = AlignedBuffer<Float>(count: 4)
    let batch = Batch(
      inputs: x.matrix(rows: 2, columns: 4), targets: .values(y.matrix(rows: 2, columns: 2)))
    _ = withExtendedLifetime((x, y)) {
      #expect(throws: NeuralCoreError.self) { try network.train(batch) }
    }
    #expect(Array(network.store.parameters.elements) == before)
    #expect(network.stepsDone == 0)
  }
}
