// SPDX-License-Identifier: Apache-2.0
public import NeuralCore

/// A tensor to be written: a name, a layout, and values that lie somewhere in memory.
public struct NamedTensor {
  /// The tensor's name in the file, such as `layers.0.weight`.
  public let name: String
  /// The shape, empty for a single number, and the order of the values in memory; files have all tensors
  /// in row-major order.
  public let layout: TensorLayout
  /// The values, in the order of the layout.
  public let values: UnsafeBufferPointer<Float>
  /// The length of each dimension, outermost first.
  public var shape: [Int] { layout.shape }
  /// What must live for as long as the values are needed.
  private let owner: AlignedBuffer<Float>?

  /// Names values in memory that the caller keeps alive and as it is until the write is done.
  ///
  /// The product of `shape` must be the number of values. Mind that a local variable need not live
  /// beyond its last use: for buffers, `init(name:shape:in:at:)` is the safe way.
  public init(name: String, shape: [Int], values: UnsafeBufferPointer<Float>) {
    self.init(name: name, TensorLayout(shape: shape), values: values, owner: nil)
  }

  /// Names the values of a buffer from an index on, as many as the shape takes, and keeps it alive.
  ///
  /// They must be within the buffer.
  public init(name: String, shape: [Int], in buffer: AlignedBuffer<Float>, at start: Int = 0) {
    self.init(name: name, layout: TensorLayout(shape: shape), in: buffer, at: start)
  }

  /// The same for values in the order of a layout.
  public init(
    name: String, layout: TensorLayout, in buffer: AlignedBuffer<Float>, at start: Int = 0
  ) {
    let count = TensorEntry.elementCount(of: layout.shape) ?? .max
    precondition(
      start >= 0 && start <= buffer.count && count <= buffer.count - start,
      "tensor \(name) reaches outside its buffer")
    let values = UnsafeBufferPointer(rebasing: buffer.elements[start..<(start + count)])
    self.init(name: name, layout, values: values, owner: buffer)
  }

  private init(
    name: String, _ layout: TensorLayout, values: UnsafeBufferPointer<Float>,
    owner: AlignedBuffer<Float>?
  ) {
    precondition(
      TensorEntry.elementCount(of: layout.shape) == values.count,
      "shape and number of values differ in tensor \(name)")
    self.name = name
    self.layout = layout
    self.values = values
    self.owner = owner
  }

  /// Calls `body` with the bytes as files have them, some at a time.
  func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
    guard let start = values.baseAddress, !values.isEmpty else { return }
    try layout.forEachPieceByRows(of: start) { try body(UnsafeRawBufferPointer($0)) }
  }
}

/// Where a tensor lies in a file.
public struct TensorEntry: Equatable, Sendable {
  /// The tensor's name.
  public let name: String
  /// The length of each dimension, outermost first.
  public let shape: [Int]
  /// The tensor's bytes, counted from the first byte after the header.
  public let byteRange: Range<Int>

  /// How many numbers the tensor has.
  public var count: Int { byteRange.count / MemoryLayout<Float>.stride }

  /// The product of a shape, or nil where it does not fit an `Int` or a length is negative.
  static func elementCount(of shape: [Int]) -> Int? {
    var count = 1
    for length in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: length)
      guard length >= 0, !overflow else { return nil }
      count = product
    }
    return count
  }
}
