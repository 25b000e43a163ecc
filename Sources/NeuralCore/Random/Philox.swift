// SPDX-License-Identifier: Apache-2.0

/// The counter-based generator Philox4x32-10.
///
/// A block of four random words is a pure function of key and counter, so element i of a tensor
/// gets the same value whoever computes it, in whatever order: no rank, no state.
///
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
public struct Philox: Sendable {
  private let key: SIMD2<UInt32>

  /// A generator keyed by all 64 bits of `seed`.
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

/// What random numbers are drawn for; streams of different purposes share no block.
public enum RandomPurpose: UInt32, Sendable {
  /// Initial weights; the subject is the layer.
  case initialWeights = 1
  /// The order of an epoch's rows; the subject is the epoch.
  case epochOrder = 2
  /// Which rows are held out.
  case validationSplit = 3
  /// Features and labels of synthetic data; the subject tells which.
  case syntheticData = 4
}

/// A sequence of random words keyed by (seed, purpose, subject).
///
/// Example: the order of epoch 3 is drawn from
/// `PhiloxStream(seed: 0, purpose: .epochOrder, subject: 3)`.
public struct PhiloxStream: RandomNumberGenerator, Sendable {
  private let philox: Philox
  private let subject: UInt32
  private let purpose: RandomPurpose
  private var nextBlock: UInt64 = 0
  private var words = SIMD4<UInt32>()
  private var wordsLeft = 0

  /// A stream that starts at its first word.
  public init(seed: UInt64, purpose: RandomPurpose, subject: UInt32 = 0) {
    philox = Philox(seed: seed)
    self.purpose = purpose
    self.subject = subject
  }

  /// The four words of block `index`, without moving the stream.
  public func block(_ index: UInt64) -> SIMD4<UInt32> {
    philox.block(
      at: SIMD4(
        UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: index >> 32), subject,
        purpose.rawValue))
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

  /// A number from `0 ..< bound`, each equally likely; `bound` must be positive.
  ///
  /// Source: Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS 29 (2019).
  public mutating func next(below bound: UInt32) -> UInt32 {
    precondition(bound > 0, "an empty interval has no number")
    let threshold = (0 &- bound) % bound
    while true {
      let product = UInt64(nextWord()) * UInt64(bound)
      if UInt32(truncatingIfNeeded: product) >= threshold {
        return UInt32(truncatingIfNeeded: product >> 32)
      }
    }
  }
}
