// SPDX-License-Identifier: Apache-2.0
internal import CXXHash

/// A 128-bit hash of content: XXH3-128 with seed 0.
///
/// Different contents practically never have equal hashes, except on purpose: the hash is not
/// cryptographic. Source: https://github.com/Cyan4973/xxHash.
public struct ContentHash: Hashable, Sendable, CustomStringConvertible {
  /// The upper 64 bits.
  public let high: UInt64
  /// The lower 64 bits.
  public let low: UInt64

  /// Creates a hash from its halves.
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// The hash of some bytes.
  public init(of bytes: UnsafeRawBufferPointer) {
    let hash = XXH3_128bits(bytes.baseAddress, bytes.count)
    self.init(high: hash.high64, low: hash.low64)
  }

  /// 32 hexadecimal digits, as printed by `xxhsum -H2`.
  public var description: String {
    [high, low].map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }
}

/// Computes the hash of content that is passed in parts, equal to the hash of their concatenation.
public final class ContentHasher {
  private let state: OpaquePointer?

  /// Creates a hasher of empty content.
  public init() {
    state = XXH3_createState()
    XXH3_128bits_reset(state)
  }

  deinit {
    XXH3_freeState(state)
  }

  /// Appends bytes to the content.
  public func update(_ bytes: UnsafeRawBufferPointer) {
    XXH3_128bits_update(state, bytes.baseAddress, bytes.count)
  }

  /// Appends the bytes of elements, as stored in memory.
  public func update<Element: BitwiseCopyable>(_ elements: UnsafeBufferPointer<Element>) {
    update(UnsafeRawBufferPointer(elements))
  }

  /// The hash of all content so far.
  public var hash: ContentHash {
    let hash = XXH3_128bits_digest(state)
    return ContentHash(high: hash.high64, low: hash.low64)
  }
}
