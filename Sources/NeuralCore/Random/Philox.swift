// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// The counter-based random number generator Philox4x32-10.
///
/// A block of four random 32-bit words is a pure function of key and counter, without state:
/// element i of a tensor gets the same value on every replica, in whatever order elements are
/// computed.
///
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011
/// (https://doi.org/10.1145/2063384.2063405).
public struct Philox: Sendable {
  private let key: SIMD2<UInt32>

  /// Creates a generator whose key is the 64 bits of `seed`.
  public init(seed: UInt64) {
    key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
  }

  /// The four random words at `counter`.
  public func block(at counter: SIMD4<UInt32>) -> SIMD4<UInt32> {
    var x = counter
    var k = key
    for _ in 0..<10 {
      let p0 = UInt64(0xD251_1F53) * UInt64(x[0])
      let p1 = UInt64(0xCD9E_8D57) * UInt64(x[2])
      x = SIMD4(
        UInt32(truncatingIfNeeded: p1 >> 32) ^ x[1] ^ k[0], UInt32(truncatingIfNeeded: p1),
        UInt32(truncatingIfNeeded: p0 >> 32) ^ x[3] ^ k[1], UInt32(truncatingIfNeeded: p0))
      k &+= SIMD2(0x9E37_79B9, 0xBB67_AE85)
    }
    return x
  }
}

/// What random numbers are used for; streams of different purposes share no block.
public enum RandomPurpose: UInt32, Sendable {
  /// Initial weights; the subject is made of layer and tensor.
  case initialWeights = 1
  /// The order of rows in an epoch; the subject is the epoch.
  case epochOrder = 2
  /// The choice of rows for validation.
  case validationSplit = 3
  /// Synthetic data; the subject distinguishes features, labels and so on.
  case syntheticData = 4
  /// The masks of ``Dropout``; see there for the counter.
  case dropout = 5
}

/// A sequence of random words keyed by (seed, purpose, subject).
///
/// Example: the order of epoch 3 is drawn from
/// `PhiloxStream(seed: 0, purpose: .epochOrder, subject: 3)`.
public struct PhiloxStream: RandomNumberGenerator, Sendable {
  private let philox: Philox
  private let subject: UInt32
  private let purpose: RandomPurpose
  private let section: UInt32
  private var nextBlock: UInt64 = 0
  private var words = SIMD4<UInt32>()
  private var wordsLeft = 0

  /// Creates a stream at its first word.
  public init(seed: UInt64, purpose: RandomPurpose, subject: UInt32 = 0) {
    self.init(seed: seed, purpose: purpose, subject: subject, section: 0)
  }

  /// Creates one of 65,536 streams of a subject, whose first 2^48 blocks differ.
  init(seed: UInt64, purpose: RandomPurpose, subject: UInt32, section: UInt16) {
    philox = Philox(seed: seed)
    self.section = UInt32(section) << 16
    self.purpose = purpose
    self.subject = subject
  }

  /// The four words of the block at `index`, without advancing the stream.
  public func block(_ index: UInt64) -> SIMD4<UInt32> {
    philox.block(
      at: SIMD4(
        UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: index >> 32) ^ section,
        subject, purpose.rawValue))
  }

  /// The next 32 random bits.
  public mutating func nextWord() -> UInt32 {
    if wordsLeft == 0 {
      words = block(nextBlock)
      nextBlock += 1
      wordsLeft = 4
    }
    wordsLeft -= 1
    return words[3 - wordsLeft]
  }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    let low = nextWord()
    return UInt64(low) | UInt64(nextWord()) << 32
  }

  /// A uniformly distributed number in `0 ..< bound`; `bound` must be positive.
  ///
  /// Source: Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS 29 (2019).
  public mutating func next(below bound: UInt32) -> UInt32 {
    precondition(bound > 0, "the bound must be positive")
    var product = UInt64(nextWord()) * UInt64(bound)
    if UInt32(truncatingIfNeeded: product) < bound {
      // The division is rarely needed.
      let threshold = (0 &- bound) % bound
      while UInt32(truncatingIfNeeded: product) < threshold {
        product = UInt64(nextWord()) * UInt64(bound)
      }
    }
    return UInt32(truncatingIfNeeded: product >> 32)
  }
}

extension PhiloxStream {
  /// Fills `values` with independent samples of the normal distribution with mean 0.
  ///
  /// Elements 2i and 2i+1 are computed from half-block i of the stream by the Box-Muller transform
  /// in Float64, so an element's value depends on its index alone.
  ///
  /// Source: Box, Muller, "A Note on the Generation of Random Normal Deviates", Ann. Math. Stat.
  /// 29, 1958.
  public func fillNormal(
    _ values: UnsafeMutableBufferPointer<Float>, standardDeviation: Double
  ) {
    for pair in 0..<(values.count + 1) / 2 {
      let words = block(UInt64(pair / 2))
      let half = pair % 2 * 2
      let radius = standardDeviation * (-2 * log(Self.openUnit(words[half]))).squareRoot()
      let angle = 2 * Double.pi * Self.openUnit(words[half + 1])
      values[2 * pair] = Float(radius * cos(angle))
      if 2 * pair + 1 < values.count {
        values[2 * pair + 1] = Float(radius * sin(angle))
      }
    }
  }

  /// Fills `values` with independent samples of the uniform distribution on (-limit, limit).
  public func fillUniform(_ values: UnsafeMutableBufferPointer<Float>, limit: Double) {
    for index in 0..<values.count {
      let word = block(UInt64(index / 4))[index % 4]
      values[index] = Float((2 * Self.openUnit(word) - 1) * limit)
    }
  }

  /// Maps a word to (0, 1), both ends excluded: to the middle of its interval of width 2^-32.
  private static func openUnit(_ word: UInt32) -> Double {
    (Double(word) + 0.5) * 0x1p-32
  }
}
