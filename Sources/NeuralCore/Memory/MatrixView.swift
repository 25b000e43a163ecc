// SPDX-License-Identifier: Apache-2.0

/// A row-major `rows x columns` matrix of Float32 in memory that someone else owns, for reading.
///
/// A view does not keep its memory alive: it is made for a call and not stored beyond it.
public struct MatrixView {
  /// How many rows (samples).
  public let rows: Int
  /// How many columns (features); also the distance from one row to the next.
  public let columns: Int
  /// The first element of the first row.
  public let base: UnsafePointer<Float>

  /// Views `rows * columns` elements from `base`.
  @inlinable
  public init(_ base: UnsafePointer<Float>, rows: Int, columns: Int) {
    self.base = base
    self.rows = rows
    self.columns = columns
  }

  /// All elements in row order.
  @inlinable
  public var elements: UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(start: base, count: rows * columns)
  }

  /// The first element of `row`, which must be within the matrix.
  @inlinable
  public func row(_ row: Int) -> UnsafePointer<Float> {
    precondition(row >= 0 && row < rows, "row outside the matrix")
    return base + row * columns
  }

  /// A view of some of the rows.
  @inlinable
  public func rows(_ range: Range<Int>) -> MatrixView {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows outside the matrix")
    return MatrixView(
      base + range.lowerBound * columns, rows: range.count, columns: columns)
  }
}

/// A row-major `rows x columns` matrix of Float32 in memory that someone else owns, for writing.
public struct MutableMatrixView {
  /// How many rows (samples).
  public let rows: Int
  /// How many columns (features); also the distance from one row to the next.
  public let columns: Int
  /// The first element of the first row.
  public let base: UnsafeMutablePointer<Float>

  /// Views `rows * columns` elements from `base`.
  @inlinable
  public init(_ base: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
    self.base = base
    self.rows = rows
    self.columns = columns
  }

  /// The same matrix, for reading.
  @inlinable
  public var readOnly: MatrixView {
    MatrixView(base, rows: rows, columns: columns)
  }

  /// All elements in row order.
  @inlinable
  public var elements: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: base, count: rows * columns)
  }

  /// A view of some of the rows.
  @inlinable
  public func rows(_ range: Range<Int>) -> MutableMatrixView {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows outside the matrix")
    return MutableMatrixView(
      base + range.lowerBound * columns, rows: range.count, columns: columns)
  }
}

extension AlignedBuffer<Float> {
  /// The first `rows * columns` elements as a matrix, for reading.
  ///
  /// The buffer must hold at least that many.
  public func matrix(rows: Int, columns: Int) -> MatrixView {
    precondition(rows >= 0 && columns >= 0 && rows * columns <= count, "matrix outside the buffer")
    return MatrixView(base, rows: rows, columns: columns)
  }

  /// The first `rows * columns` elements as a matrix, for writing.
  ///
  /// The buffer must hold at least that many.
  public func mutableMatrix(rows: Int, columns: Int) -> MutableMatrixView {
    precondition(rows >= 0 && columns >= 0 && rows * columns <= count, "matrix outside the buffer")
    return MutableMatrixView(base, rows: rows, columns: columns)
  }
}
