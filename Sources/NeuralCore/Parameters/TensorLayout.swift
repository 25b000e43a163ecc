// SPDX-License-Identifier: Apache-2.0

/// In which order the elements of a tensor lie in memory.
public enum ElementOrder: Hashable, Sendable {
  /// Row by row, as everywhere in files.
  case rowMajor
  /// Column by column, as those of the transpose lie row by row; for matrices only.
  case columnMajor
}

/// A tensor's shape, and where each element is in a run of memory.
public struct TensorLayout: Hashable, Sendable {
  /// The extent of each dimension, outermost first.
  public let shape: [Int]
  /// The order of the elements.
  public let order: ElementOrder

  /// A layout; column-major order needs a shape of two dimensions.
  public init(shape: [Int], order: ElementOrder = .rowMajor) {
    precondition(order == .rowMajor || shape.count == 2, "only a matrix has columns")
    self.shape = shape
    self.order = order
  }

  /// How many elements there are.
  public var count: Int { shape.reduce(1, *) }

  /// How many rows are brought into row-major order at once: as many numbers as a few cache lines hold.
  private static let rowsAtOnce = 64

  /// Calls `body` with all elements in row-major order, some at a time.
  ///
  /// - Parameter elements: ``count`` elements in this layout's order.
  public func forEachPieceByRows(
    of elements: UnsafePointer<Float>, _ body: (UnsafeBufferPointer<Float>) throws -> Void
  ) rethrows {
    guard order == .columnMajor else {
      return try body(UnsafeBufferPointer(start: elements, count: count))
    }
    let (rows, columns) = (shape[0], shape[1])
    let piece = AlignedBuffer<Float>(count: Swift.min(rows, Self.rowsAtOnce) * columns)
    try withExtendedLifetime(piece) {
      for first in stride(from: 0, to: rows, by: Self.rowsAtOnce) {
        let height = Swift.min(Self.rowsAtOnce, rows - first)
        Transposition.transpose(
          elements + first, stride: rows, rows: columns, columns: height, into: piece.base,
          targetStride: columns)
        try body(UnsafeBufferPointer(start: piece.base, count: height * columns))
      }
    }
  }

  /// Brings elements from row-major order into this layout's.
  ///
  /// Both runs have ``count`` elements and don't overlap.
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
