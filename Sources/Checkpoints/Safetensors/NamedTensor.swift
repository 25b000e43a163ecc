// SPDX-License-Identifier: Apache-2.0

/// A tensor to be written: a name, a shape, and values in memory that someone else owns.
public struct NamedTensor {
  /// The tensor's name in the file, such as `layers.0.weight`.
  public let name: String
  /// The length of each dimension, outermost first; empty for a single number.
  public let shape: [Int]
  /// The values in row-major order; the memory must stay as it is until the write is done.
  public let values: UnsafeBufferPointer<Float>

  /// Names some values.
  ///
  /// The product of `shape` must be the number of values.
  public init(name: String, shape: [Int], values: UnsafeBufferPointer<Float>) {
    precondition(
      TensorEntry.elementCount(of: shape) == values.count,
      "shape and number of values differ in tensor \(name)")
    self.name = name
    self.shape = shape
    self.values = values
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
