// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// A fixed-size array on a 64-byte boundary that never moves.
///
/// Weights, gradients, optimizer moments and batches live in these: SIMD loads start on cache
/// lines, and a pointer handed to MPI stays good for as long as the buffer is referenced. Views and
/// pointers do not keep a buffer alive, and Swift may release it after its last mention: where a
/// local buffer is used through a view, wrap the use in `withExtendedLifetime`.
public final class AlignedBuffer<Element: BitwiseCopyable> {
  /// How many elements the buffer holds.
  public let count: Int
  /// The first element; valid as long as the buffer is.
  public let base: UnsafeMutablePointer<Element>
  /// Whoever the memory belongs to; nil for the buffer itself.
  private let owner: AnyObject?

  /// Makes a buffer of `count` elements whose bytes are all zero.
  public init(count: Int) {
    let bytes = Swift.max(count * MemoryLayout<Element>.stride, 64)
    let isLarge = bytes >= 4 << 20
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: bytes, alignment: isLarge ? 2 << 20 : 64)
    // Large pages: products that walk down columns miss less often in the page table.
    if isLarge { madvise(raw, bytes, MADV_HUGEPAGE) }
    raw.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    self.count = count
    self.base = raw.bindMemory(to: Element.self, capacity: count)
    owner = nil
  }

  /// Makes a buffer that holds a copy of `elements`.
  public convenience init(_ elements: some Collection<Element>) {
    self.init(count: elements.count)
    _ = UnsafeMutableBufferPointer(start: base, count: count).update(fromContentsOf: elements)
  }

  /// Makes a buffer of memory that `owner` keeps for as long as the buffer refers to it.
  ///
  /// - Parameter base: on a 64-byte boundary, with room for `count` elements.
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

  /// Sets every element to `value`.
  public func fill(with value: Element) {
    base.update(repeating: value, count: count)
  }

  /// The element at `index`, which must be within the buffer.
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
