// SPDX-License-Identifier: Apache-2.0

/// A tensor that a layer needs: its name, layout, initial values and role.
public struct TensorSpecification: Sendable {
  /// How the optimizer treats a tensor.
  public enum Role: Hashable, Sendable {
    /// Trainable, with weight decay.
    case weight
    /// Trainable, without weight decay: biases, scales and shifts.
    case undecayed
    /// Not trainable: running statistics.
    case statistic
  }

  /// The name within the layer, such as `weight` or `norm.gamma`.
  public let name: String
  /// The shape, and the order of elements in memory.
  public let layout: TensorLayout
  /// The initial values.
  public let initializer: Initializer
  /// How the optimizer treats the tensor.
  public let role: Role

  /// Creates a specification.
  ///
  /// - Parameter order: the order of elements in memory; checkpoints store all tensors in row-major
  ///   order.
  public init(
    _ name: String, shape: [Int], order: ElementOrder = .rowMajor, initializer: Initializer,
    role: Role
  ) {
    self.name = name
    layout = TensorLayout(shape: shape, order: order)
    self.initializer = initializer
    self.role = role
  }

  private init(_ name: String, as other: TensorSpecification) {
    self.name = name
    (layout, initializer, role) = (other.layout, other.initializer, other.role)
  }

  /// The same tensor as a member of a composite layer: `prefix.name`, or the same name without prefix.
  func prefixed(_ prefix: String) -> TensorSpecification {
    prefix.isEmpty ? self : TensorSpecification("\(prefix).\(name)", as: self)
  }

  /// The extent of each dimension, outermost first.
  public var shape: [Int] { layout.shape }
  /// The number of elements.
  public var count: Int { layout.count }
}

/// The initial values of a tensor, as in `torch.nn.init`.
public enum Initializer: Sendable {
  /// The same value for all elements.
  case constant(Float)
  /// Normal with mean 0 and variance 2 / inputs (`kaiming_normal_`), for layers before a ``Relu``.
  ///
  /// Source: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers: Surpassing Human-Level Performance
  /// on ImageNet Classification", ICCV 2015 (https://arxiv.org/abs/1502.01852).
  case heNormal(inputs: Int)
  /// Uniform with mean 0 and variance 2 / (inputs + outputs) (`xavier_uniform_`), for other
  /// activations: the limits are +-sqrt(6 / (inputs + outputs)).
  ///
  /// Source: Glorot, Bengio, "Understanding the Difficulty of Training Deep Feedforward Neural
  /// Networks", AISTATS 2010.
  case glorotUniform(inputs: Int, outputs: Int)

  /// Fills the tensor at `index` of a layer's ``Layer/tensors``, in row-major order.
  ///
  /// The values depend on seed, layer, tensor and element alone, so all replicas compute the same.
  func fill(
    _ values: UnsafeMutableBufferPointer<Float>, seed: UInt64, layer: Int, index: Int
  ) {
    let stream = PhiloxStream(
      seed: seed, purpose: .initialWeights,
      subject: UInt32(truncatingIfNeeded: layer) | UInt32(truncatingIfNeeded: index) << 24,
      section: UInt16(truncatingIfNeeded: index >> 8))
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

/// The order of a tensor's elements in memory.
public enum ElementOrder: Hashable, Sendable {
  /// Row by row, as in all files.
  case rowMajor
  /// Column by column, that is, the transpose row by row; for matrices only.
  case columnMajor
}

/// A tensor's shape, and the position of each element in contiguous memory.
public struct TensorLayout: Hashable, Sendable {
  /// The extent of each dimension, outermost first.
  public let shape: [Int]
  /// The order of elements.
  public let order: ElementOrder

  /// Creates a layout; column-major order requires a shape of two dimensions.
  public init(shape: [Int], order: ElementOrder = .rowMajor) {
    precondition(order == .rowMajor || shape.count == 2, "column-major order needs a matrix")
    self.shape = shape
    self.order = order
  }

  /// The number of elements.
  public var count: Int { shape.reduce(1, *) }

  /// The number of rows converted to row-major order at once: a column of them is a few cache
  /// lines.
  private static let pieceRows = 64

  /// Calls `body` with all elements in row-major order, piece by piece.
  ///
  /// - Parameter elements: ``count`` elements in this layout's order.
  public func forEachPieceByRows(
    of elements: UnsafePointer<Float>, _ body: (UnsafeBufferPointer<Float>) throws -> Void
  ) rethrows {
    guard order == .columnMajor else {
      return try body(UnsafeBufferPointer(start: elements, count: count))
    }
    let (rows, columns) = (shape[0], shape[1])
    let piece = AlignedBuffer<Float>(count: Swift.min(rows, Self.pieceRows) * columns)
    try withExtendedLifetime(piece) {
      for first in stride(from: 0, to: rows, by: Self.pieceRows) {
        let height = Swift.min(Self.pieceRows, rows - first)
        Transposition.transpose(
          elements + first, stride: rows, rows: columns, columns: height, into: piece.base,
          targetStride: columns)
        try body(UnsafeBufferPointer(start: piece.base, count: height * columns))
      }
    }
  }

  /// Copies elements from row-major order to this layout's order.
  ///
  /// Both buffers have ``count`` elements and don't overlap.
  public func arrange(
    byRows source: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>
  ) {
    switch order {
    case .rowMajor:
      target.update(from: source, count: count)
    case .columnMajor:
      Transposition.transpose(
        source, stride: shape[1], rows: shape[0], columns: shape[1], into: target,
        targetStride: shape[0])
    }
  }
}
