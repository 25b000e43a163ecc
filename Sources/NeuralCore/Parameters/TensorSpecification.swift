// SPDX-License-Identifier: Apache-2.0

/// A tensor that a layer wants to have: its name, layout, start and role.
public struct TensorSpecification: Sendable {
  /// What the optimizer may do with a tensor.
  public enum Role: Hashable, Sendable {
    /// Trained, and subject to weight decay.
    case weight
    /// Trained, but never decayed: biases, scales and shifts.
    case undecayed
    /// Not trained: running statistics.
    case statistic
  }

  /// The name within the layer, such as `weight` or `norm.gamma`.
  public let name: String
  /// Its shape, and the order of its elements in memory.
  public let layout: TensorLayout
  /// What the tensor starts as.
  public let initializer: Initializer
  /// What the optimizer may do with it.
  public let role: Role

  /// A tensor with a name, a shape, a start and a role.
  ///
  /// - Parameter order: the order of its elements in memory; checkpoints have all tensors row by row.
  public init(
    _ name: String, shape: [Int], order: ElementOrder = .rowMajor, initializer: Initializer,
    role: Role
  ) {
    self.name = name
    layout = TensorLayout(shape: shape, order: order)
    self.initializer = initializer
    self.role = role
  }

  /// The extent of each dimension, outermost first.
  public var shape: [Int] { layout.shape }
  /// How many elements the tensor has.
  public var count: Int { layout.count }
}

/// What a tensor's elements start as.
public enum Initializer: Sendable {
  /// All elements equal.
  case constant(Float)
  /// Normal with variance 2 / inputs.
  ///
  /// For layers that end in Relu: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015.
  case heNormal(inputs: Int)
  /// Uniform with variance 2 / (inputs + outputs).
  ///
  /// For other activations: Glorot, Bengio, "Understanding the Difficulty of Training Deep
  /// Feedforward Neural Networks", AISTATS 2010.
  case glorotUniform(inputs: Int, outputs: Int)

  /// Fills a tensor of layer `layer`, row by row; `index` tells the layer's tensors apart.
  ///
  /// The values depend on seed, layer, tensor and element alone, so every rank makes the same.
  func fill(
    _ values: UnsafeMutableBufferPointer<Float>, seed: UInt64, layer: Int, index: Int
  ) {
    let stream = PhiloxStream(
      seed: seed, purpose: .initialWeights,
      subject: UInt32(truncatingIfNeeded: layer) | UInt32(truncatingIfNeeded: index) << 24)
    switch self {
    case .constant(let value):
      values.update(repeating: value)
    case .heNormal(let inputs):
      stream.fillNormal(values, standardDeviation: (2 / Double(inputs)).squareRoot())
    case .glorotUniform(let inputs, let outputs):
      stream.fillUniform(values, limit: (6 / Double(inputs + outputs)).squareRoot())
    }
  }
}
