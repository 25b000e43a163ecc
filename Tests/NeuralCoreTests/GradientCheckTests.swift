// SPDX-License-Identifier: Apache-2.0
import NeuralCore
import Testing

/// out = A * A, element by element: the example of `GradientCheck`.
private final class Square: Layer {
  private var kept = AlignedBuffer<Float>(count: 0)
  /// What the gradient is off by.
  private let mistake: Float

  init(columns: Int, mistake: Float = 1) {
    self.mistake = mistake
    super.init(inputs: columns, outputs: columns)
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
    guard let inputGradient else { return }
    for i in 0..<inputGradient.elements.count {
      inputGradient.elements[i] = mistake * 2 * kept.base[i] * outputGradient.elements[i]
    }
  }
  override func infer(
    _ input: MatrixView, into output: MutableMatrixView, _ memory: LayerMemory
  ) throws {
    for i in 0..<input.elements.count { output.elements[i] = input.elements[i] * input.elements[i] }
  }
}

/// A column scale whose gradient forgets all slices but the first of each replica.
private final class ForgetfulScale: Layer {
  private let inner: ColumnScale
  init(columns: Int) {
    inner = ColumnScale(columns: columns)
    super.init(inputs: columns, outputs: columns)
  }
  override var tensors: [TensorSpecification] { inner.tensors }
  override func reserve(rows: Int) { inner.reserve(rows: rows) }
  override func forward(
    _ input: MatrixView, into output: MutableMatrixView, _ pass: LayerPass
  ) throws { try inner.forward(input, into: output, pass) }
  override func backward(
    _ outputGradient: MutableMatrixView, into inputGradient: MutableMatrixView?,
    _ pass: LayerPass
  ) throws {
    try inner.backward(outputGradient, into: inputGradient, pass)
    try pass.accumulateGradient(of: 0, elements: 0..<inputs) { _, rows, sum in
      for j in 0..<inputs { sum[j] = Float(rows.lowerBound) }
    }
  }
}

@Suite("Gradient checks")
struct GradientCheckTests {
  static let layers: [(String, @Sendable () throws -> Layer)] = [
    ("fully connected", { FullyConnectedLayer(inputs: 4, outputs: 3, activation: Tanh()) }),
    (
      "without normalization",
      {
        FullyConnectedLayer(inputs: 4, outputs: 3, activation: Silu(), normalization: nil)
      }
    ),
    ("dropout", { Dropout(features: 40, probability: 0.4) }),
    ("layer norm", { LayerNorm(features: 9) }),
    ("layer norm of one vector and one", { LayerNorm(features: 17) }),
    ("custom", { ColumnScale(columns: 5) }),
    ("example", { Square(columns: 5) }),
    (
      "sequential",
      {
        try Sequential([
          LayerNorm(features: 4),
          FullyConnectedLayer(inputs: 4, outputs: 6, activation: Gelu(), normalization: nil),
          Dropout(features: 6, probability: 0.2),
        ])
      }
    ),
    (
      "residual",
      {
        try Residual(
          Sequential([
            FullyConnectedLayer(inputs: 5, outputs: 5, activation: Softplus()),
            Dropout(features: 5, probability: 0.3),
          ]))
      }
    ),
    ("residual of layer norm", { try Residual(LayerNorm(features: 6)) }),
    (
      "nested",
      { try Residual(Sequential([Residual(LayerNorm(features: 3)), ColumnScale(columns: 3)])) }
    ),
  ]

  @Test("The gradients of every layer type agree with finite differences", arguments: layers)
  func right(name: String, make: @Sendable () throws -> Layer) throws {
    for seed in 0..<3 {
      let layer = try make()
      let report = try GradientCheck.run(layer, seed: UInt64(seed))
      #expect(report.largestRelativeError < 1e-3, "\(name): \(report)")
      #expect(
        report.tensors.map(\.name)
          == ["input"] + layer.tensors.filter { $0.role != .statistic }.map(\.name))
    }
  }

  @Test("A gradient that is 2 % wrong, or that forgets slices, is found where it is")
  func wrong() throws {
    let square = try GradientCheck.run(Square(columns: 3, mistake: 1.02))
    #expect(abs(square.largestRelativeError - 0.02) < 2e-3, "\(square)")
    let scale = try GradientCheck.run(ForgetfulScale(columns: 3))
    #expect(
      scale.tensors.first { $0.name == "input" }.map { $0.largestRelativeError < 1e-3 } == true)
    #expect(
      scale.tensors.first { $0.name == "factor" }.map { $0.largestRelativeError > 0.1 } == true)
    #expect("\(scale)".contains("factor: relative error"))
    let broken = try GradientCheck.run(Square(columns: 3, mistake: .nan))
    #expect(broken.largestRelativeError == .infinity)
  }

  private func network(_ loss: any LossFunction) throws -> NeuralNetwork {
    try NeuralNetwork(
      layers: [
        FullyConnectedLayer(inputs: 5, outputs: 30, activation: Tanh()),
        Sequential([
          ("norm", LayerNorm(features: 30)),
          ("", FullyConnectedLayer(inputs: 30, outputs: 8, activation: Gelu(), normalization: nil)),
          ("dropout", Dropout(features: 8, probability: 0.25)),
        ]),
        Residual(FullyConnectedLayer(inputs: 8, outputs: 8, activation: Sigmoid())),
        FullyConnectedLayer(inputs: 8, outputs: 4, activation: Identity()),
      ], loss: loss, optimizer: AdamOptimizer(), seed: 3)
  }

  private func withBatch<Result>(_ body: (Batch) throws -> Result) rethrows -> Result {
    let x = AlignedBuffer<Float>(count: 12 * 5)
    PhiloxStream(seed: 5, purpose: .syntheticData)
      .fillNormal(x.mutableElements, standardDeviation: 1)
    let y = AlignedBuffer((0..<12).map { Int32($0 * 5 % 4) })
    return try withExtendedLifetime((x, y)) {
      try body(Batch(inputs: x.matrix(rows: 12, columns: 5), targets: .classes(y.elements)))
    }
  }

  @Test(
    "The gradients of a network with every layer type agree, after some steps too, and stay unchanged"
  )
  func networks() throws {
    for loss in [CrossEntropy(), MeanSquaredError()] as [any LossFunction] {
      let network = try network(loss)
      try withBatch { batch in
        for _ in 0..<3 { _ = try network.train(batch) }
        let digest = network.store.digest()
        let report = try GradientCheck.run(network, on: batch, maximumElements: 20)
        #expect(report.largestRelativeError < 2e-3, "\(report)")
        #expect(report.tensors.count == 16)
        #expect(report.tensors.allSatisfy { (4...20).contains($0.checkedElements) })
        #expect(network.store.digest() == digest)
        #expect(network.stepsDone == 3)
      }
    }
  }

  @Test("A loss whose derivative does not fit its value is found")
  func wrongLoss() throws {
    struct Halved: LossFunction {
      func compute(_ outputs: MatrixView, _ targets: TargetView) throws -> Double {
        try MeanSquaredError().compute(outputs, targets) / 2
      }
      func derivative(
        _ outputs: MatrixView, _ targets: TargetView, batchRows: Int,
        into gradient: MutableMatrixView
      ) throws {
        try MeanSquaredError().derivative(outputs, targets, batchRows: batchRows, into: gradient)
      }
    }
    let report = try withBatch {
      try GradientCheck.run(network(Halved()), on: $0, maximumElements: 3)
    }
    #expect(abs(report.largestRelativeError - 0.5) < 0.01, "\(report)")
  }
}
