// SPDX-License-Identifier: Apache-2.0
internal import CXXHash

/// A 128-bit hash of content: equal content has equal hashes, other content practically never.
///
/// Algorithm: XXH3-128 (https://github.com/Cyan4973/xxHash), seed 0.
public struct ContentHash: Hashable, Sendable, CustomStringConvertible {
  /// The upper 64 bits.
  public let high: UInt64
  /// The lower 64 bits.
  public let low: UInt64

  /// Puts a hash together from its halves.
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// The hash of some bytes.
  public init(of bytes: UnsafeRawBufferPointer) {
    let hash = XXH3_128bits(bytes.baseAddress, bytes.count)
    self.init(high: hash.high64, low: hash.low64)
  }

  /// 32 hexadecimal digits, the form that `xxhsum -H2` prints.
  public var description: String {
    [high, low].map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }
}

/// Hashes content that comes in parts; the result is that of the parts in one piece.
public final class ContentHasher {
  private let state: OpaquePointer?

  /// A hasher that has seen nothing yet.
  public init() {
    state = XXH3_createState()
    XXH3_128bits_reset(state)
  }

  deinit {
    XXH3_freeState(state)
  }

  /// Adds bytes to the content.
  public func update(_ bytes: UnsafeRawBufferPointer) {
    XXH3_128bits_update(state, bytes.baseAddress, bytes.count)
  }

  /// Adds numbers to the content, as they lie in memory.
  public func update<Element: BitwiseCopyable>(_ elements: UnsafeBufferPointer<Element>) {
    update(UnsafeRawBufferPointer(elements))
  }

  /// The hash of all content so far.
  public var hash: ContentHash {
    let hash = XXH3_128bits_digest(state)
    return ContentHash(high: hash.high64, low: hash.low64)
  }
}
