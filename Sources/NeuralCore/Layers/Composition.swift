// SPDX-License-Identifier: Apache-2.0

/// Several layers as one, each with the outputs of the one before as its inputs.
///
/// ```swift
/// let block = try Sequential([
///   ("norm", LayerNorm(features: 64)),
///   ("", FullyConnectedLayer(inputs: 64, outputs: 64, activation: Relu(), normalization: nil)),
///   ("dropout", Dropout(features: 64, probability: 0.2)),
/// ])
/// let network = try NeuralNetwork(
///   layers: [
///     Residual(block),
///     FullyConnectedLayer(inputs: 64, outputs: 10, activation: Identity()),
///   ],
///   loss: CrossEntropy(), optimizer: AdamOptimizer(), seed: 0)
/// ```
///
/// Its tensors are those of its members, first to last: tensor `t` of member `name` is called `name.t`,
/// and `t` if the name is empty. Here they are `layers.0.norm.gamma`, `layers.0.norm.beta`,
/// `layers.0.weight` and `layers.0.bias` of the network.
public final class Sequential: Layer {
  /// The layers, first to last.
  public let layers: [Layer]
  public override var members: [Layer] { layers }
  public override var tensors: [TensorSpecification] { specifications }

  private let specifications: [TensorSpecification]
  /// The range of each member's tensors in ``tensors``.
  private let tensorRanges: [Range<Int>]
  /// The index of the first member with tensors, or the number of members.
  private let firstTrained: Int
  /// The most columns between two members.
  private let widest: Int
  /// What lies between member i and the next is in buffer i % 2: outputs, and later their gradient.
  private var buffers: [AlignedBuffer<Float>] = []
  /// The tensors of each member, in the memory that ``owner`` stands for.
  private var memories: [LayerMemory] = []
  private var owner: LayerMemory?

  /// Makes one layer of named members.
  ///
  /// - Throws: ``NeuralCoreError/shapeMismatch(what:expected:found:)`` if there is no member, or a
  ///   member's inputs are not the outputs of the one before;
  ///   ``NeuralCoreError/duplicateTensor(name:)`` if two members have a tensor of the same name.
  public init(_ members: [(name: String, layer: Layer)]) throws {
    guard let first = members.first, let last = members.last else {
      throw NeuralCoreError.shapeMismatch(what: "layers of a Sequential", expected: 1, found: 0)
    }
    layers = members.map(\.layer)
    for (index, (before, after)) in zip(layers, layers.dropFirst()).enumerated()
    where before.outputs != after.inputs {
      throw NeuralCoreError.shapeMismatch(
        what: "inputs of member \(index + 1) of a Sequential", expected: before.outputs,
        found: after.inputs)
    }
    var specifications: [TensorSpecification] = []
    var ranges: [Range<Int>] = []
    for (name, layer) in members {
      let start = specifications.count
      specifications += layer.tensors.map { $0.prefixed(name) }
      ranges.append(start..<specifications.count)
    }
    var names: Set<String> = []
    for tensor in specifications where !names.insert(tensor.name).inserted {
      throw NeuralCoreError.duplicateTensor(name: tensor.name)
    }
    self.specifications = specifications
    tensorRanges = ranges
    firstTrained = ranges.firstIndex { !$0.isEmpty } ?? ranges.count
    widest = layers.dropLast().map(\.outputs).max() ?? 0
    super.init(inputs: first.layer.inputs, outputs: last.layer.outputs)
  }

  /// Makes one layer of members whose names are their indices, as `torch.nn.Sequential`.
  ///
  /// - Throws: as ``init(_:)-(_)``.
  public convenience init(_ layers: [Layer]) throws {
    try self.init(layers.enumerated().map { (name: "\($0)", layer: $1) })
  }

  public override func reserve(rows: Int) {
    if buffers.isEmpty || buffers[0].count < rows * widest {
      buffers = (0..<2).map { AlignedBuffer(count: layers.count > $0 + 1 ? rows * widest : 0) }
    }
    layers.forEach { $0.reserve(rows: rows) }
  }

  public override func isFinite(rows: Int) -> Bool {
    layers.allSatisfy { $0.isFinite(rows: rows) }
  }

  /// The tensors of each member; made anew only for another network.
  private func memories(in memory: LayerMemory) -> [LayerMemory] {
    if owner !== memory {
      owner = memory
      memories = tensorRanges.map(memory.part)
    }
    return memories
  }

  /// The matrix between the member at `index` and the next.
  private func between(_ index: Int, rows: Int) -> MutableMatrixView {
    buffers[index % 2].mutableMatrix(rows: rows, columns: layers[index].outputs)
  }

  public override func prepare(_ input: MatrixView, _ pass: LayerPass) throws {
    try layers[0].prepare(input, pass.member(0, memories(in: pass.memory)[0]))
  }

  public override func forward(
    _ input: MatrixView, into output: MutableMatrixView, _ pass: LayerPass
  ) throws {
    let memories = memories(in: pass.memory)
    var source = input
    for index in layers.indices {
      let target = index == layers.count - 1 ? output : between(index, rows: input.rows)
      try layers[index].forward(
        source, into: target,
        pass.member(index, memories[index], isPrepared: pass.isPrepared && index == 0))
      source = target.readOnly
    }
  }

  /// Members before the first one with tensors take part only if the gradient with respect to the input
  /// is needed.
  public override func backward(
    _ outputGradient: MutableMatrixView, into inputGradient: MutableMatrixView?,
    _ pass: LayerPass
  ) throws {
    let memories = memories(in: pass.memory)
    let lowest = inputGradient == nil ? firstTrained : 0
    var gradient = outputGradient
    for index in stride(from: layers.count - 1, through: lowest, by: -1) {
      let target =
        index > lowest ? between(index - 1, rows: outputGradient.rows) : inputGradient
      try layers[index].backward(gradient, into: target, pass.member(index, memories[index]))
      if let target { gradient = target }
    }
  }

  public override func infer(
    _ input: MatrixView, into output: MutableMatrixView, _ memory: LayerMemory
  ) throws {
    let memories = memories(in: memory)
    var source = input
    for index in layers.indices {
      let target = index == layers.count - 1 ? output : between(index, rows: input.rows)
      try layers[index].infer(source, into: target, memories[index])
      source = target.readOnly
    }
  }
}

/// A residual (skip) connection around a layer with as many outputs as inputs.
///
///     out = A + layer(A),  dA = dOut + layer's dA
///
/// Its tensors are those of the layer, by the same names.
///
/// Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016
/// (https://arxiv.org/abs/1512.03385).
public final class Residual: Layer {
  /// The layer that the connection skips.
  public let layer: Layer
  public override var members: [Layer] { [layer] }
  public override var tensors: [TensorSpecification] { layer.tensors }

  /// dOut, which the layer may overwrite.
  private var gradient = AlignedBuffer<Float>(count: 0)

  /// Adds a connection around `layer`.
  ///
  /// - Throws: ``NeuralCoreError/shapeMismatch(what:expected:found:)`` if its inputs and outputs differ.
  public init(_ layer: Layer) throws {
    guard layer.inputs == layer.outputs else {
      throw NeuralCoreError.shapeMismatch(
        what: "outputs of a layer with a residual connection", expected: layer.inputs,
        found: layer.outputs)
    }
    self.layer = layer
    super.init(inputs: layer.inputs, outputs: layer.outputs)
  }

  public override func reserve(rows: Int) {
    if gradient.count < rows * inputs { gradient = AlignedBuffer(count: rows * inputs) }
    layer.reserve(rows: rows)
  }

  public override func isFinite(rows: Int) -> Bool { layer.isFinite(rows: rows) }

  public override func prepare(_ input: MatrixView, _ pass: LayerPass) throws {
    try layer.prepare(input, pass.member(0, pass.memory))
  }

  public override func forward(
    _ input: MatrixView, into output: MutableMatrixView, _ pass: LayerPass
  ) throws {
    try layer.forward(
      input, into: output, pass.member(0, pass.memory, isPrepared: pass.isPrepared))
    Reductions.add(input.base, to: output.base, input.elements.count)
  }

  public override func backward(
    _ outputGradient: MutableMatrixView, into inputGradient: MutableMatrixView?,
    _ pass: LayerPass
  ) throws {
    let count = outputGradient.elements.count
    if inputGradient != nil { gradient.base.update(from: outputGradient.base, count: count) }
    try layer.backward(outputGradient, into: inputGradient, pass.member(0, pass.memory))
    if let inputGradient { Reductions.add(gradient.base, to: inputGradient.base, count) }
  }

  public override func infer(
    _ input: MatrixView, into output: MutableMatrixView, _ memory: LayerMemory
  ) throws {
    try layer.infer(input, into: output, memory)
    Reductions.add(input.base, to: output.base, input.elements.count)
  }
}
