// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// A fixed-size buffer on a 64-byte boundary that never moves.
///
/// Weights, gradients, optimizer state and batches are stored in such buffers: SIMD loads start on
/// cache lines, and a pointer passed to MPI stays valid as long as the buffer is referenced. Views
/// and pointers do not retain the buffer, and Swift may release it after its last use: if a local
/// buffer is used through a view, wrap the use in `withExtendedLifetime`.
public final class AlignedBuffer<Element: BitwiseCopyable> {
  /// The number of elements.
  public let count: Int
  /// The address of the first element; valid as long as the buffer.
  public let base: UnsafeMutablePointer<Element>
  /// The owner of the memory; nil if the buffer owns it.
  private let owner: AnyObject?

  /// Allocates a buffer of `count` elements whose bytes are all zero.
  public init(count: Int) {
    let bytes = Swift.max(count * MemoryLayout<Element>.stride, 64)
    let isLarge = bytes >= 4 << 20
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: bytes, alignment: isLarge ? 2 << 20 : 64)
    // Huge pages: products that stride over rows have fewer TLB misses.
    if isLarge { madvise(raw, bytes, MADV_HUGEPAGE) }
    raw.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    self.count = count
    self.base = raw.bindMemory(to: Element.self, capacity: count)
    owner = nil
  }

  /// Allocates a buffer with a copy of `elements`.
  public convenience init(_ elements: some Collection<Element>) {
    self.init(count: elements.count)
    _ = UnsafeMutableBufferPointer(start: base, count: count).update(fromContentsOf: elements)
  }

  /// Wraps memory that belongs to `owner`, which the buffer retains.
  ///
  /// - Parameter base: an address on a 64-byte boundary, with room for `count` elements.
  public init(_ base: UnsafeMutablePointer<Element>, count: Int, ownedBy owner: AnyObject) {
    self.base = base
    self.count = count
    self.owner = owner
  }

  deinit {
    if owner == nil { UnsafeMutableRawPointer(base).deallocate() }
  }

  /// All elements, for reading.
  @inlinable
  public var elements: UnsafeBufferPointer<Element> {
    UnsafeBufferPointer(start: base, count: count)
  }

  /// All elements, for writing.
  @inlinable
  public var mutableElements: UnsafeMutableBufferPointer<Element> {
    UnsafeMutableBufferPointer(start: base, count: count)
  }

  /// Sets all elements to `value`.
  public func fill(with value: Element) {
    base.update(repeating: value, count: count)
  }

  /// The element at `index`; traps if it is outside the buffer.
  @inlinable
  public subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < count, "index outside the buffer")
      return base[index]
    }
    set {
      precondition(index >= 0 && index < count, "index outside the buffer")
      base[index] = newValue
    }
  }
}

/// A read-only view of a row-major `rows x columns` matrix of Float32.
///
/// A view does not retain its memory: it is passed to a call and not stored beyond it.
public struct MatrixView {
  /// The number of rows (samples).
  public let rows: Int
  /// The number of columns (features); also the row stride.
  public let columns: Int
  /// The address of the first element.
  public let base: UnsafePointer<Float>

  /// Creates a view of `rows * columns` elements starting at `base`.
  @inlinable
  public init(_ base: UnsafePointer<Float>, rows: Int, columns: Int) {
    self.base = base
    self.rows = rows
    self.columns = columns
  }

  /// All elements in row-major order.
  @inlinable
  public var elements: UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(start: base, count: rows * columns)
  }

  /// The address of the first element of `row`; traps if it is outside the matrix.
  @inlinable
  public func row(_ row: Int) -> UnsafePointer<Float> {
    precondition(row >= 0 && row < rows, "row outside the matrix")
    return base + row * columns
  }

  /// A view of a range of rows; traps if it is outside the matrix.
  @inlinable
  public func rows(_ range: Range<Int>) -> MatrixView {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows outside the matrix")
    return MatrixView(
      base + range.lowerBound * columns, rows: range.count, columns: columns)
  }
}

/// A writable view of a row-major `rows x columns` matrix of Float32; see ``MatrixView``.
public struct MutableMatrixView {
  /// The number of rows (samples).
  public let rows: Int
  /// The number of columns (features); also the row stride.
  public let columns: Int
  /// The address of the first element.
  public let base: UnsafeMutablePointer<Float>

  /// Creates a view of `rows * columns` elements starting at `base`.
  @inlinable
  public init(_ base: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
    self.base = base
    self.rows = rows
    self.columns = columns
  }

  /// A read-only view of the same matrix.
  @inlinable
  public var readOnly: MatrixView {
    MatrixView(base, rows: rows, columns: columns)
  }

  /// All elements in row-major order.
  @inlinable
  public var elements: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: base, count: rows * columns)
  }

  /// A view of a range of rows; traps if it is outside the matrix.
  @inlinable
  public func rows(_ range: Range<Int>) -> MutableMatrixView {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows outside the matrix")
    return MutableMatrixView(
      base + range.lowerBound * columns, rows: range.count, columns: columns)
  }
}

extension AlignedBuffer<Float> {
  /// A read-only view of the first `rows * columns` elements; traps if there are fewer.
  public func matrix(rows: Int, columns: Int) -> MatrixView {
    precondition(rows >= 0 && columns >= 0 && rows * columns <= count, "matrix outside the buffer")
    return MatrixView(base, rows: rows, columns: columns)
  }

  /// A writable view of the first `rows * columns` elements; traps if there are fewer.
  public func mutableMatrix(rows: Int, columns: Int) -> MutableMatrixView {
    precondition(rows >= 0 && columns >= 0 && rows * columns <= count, "matrix outside the buffer")
    return MutableMatrixView(base, rows: rows, columns: columns)
  }
}
