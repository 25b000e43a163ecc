// SPDX-License-Identifier: Apache-2.0

/// Mutates inputs at random, the same way for the same seed.
struct Mutation {
  private var random: SplitMix

  init(seed: UInt64) {
    random = SplitMix(state: seed)
  }

  /// An input with one to eight changes: bits, bytes, pieces and words are inserted, removed, replaced
  /// or repeated.
  mutating func mutated(_ input: [UInt8], words: [String]) -> [UInt8] {
    var bytes = input
    for _ in 0...Int.random(in: 0..<8, using: &random) { change(&bytes, words) }
    return bytes
  }

  private mutating func change(_ bytes: inout [UInt8], _ words: [String]) {
    let start = Int.random(in: 0...bytes.count, using: &random)
    let end = min(bytes.count, start + Int.random(in: 0..<16, using: &random))
    let word = Array((words.randomElement(using: &random) ?? "").utf8)
    switch Int.random(in: 0..<8, using: &random) {
    case 0 where start < bytes.count: bytes[start] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 1 where start < bytes.count: bytes[start] = .random(in: .min ... .max, using: &random)
    case 2: bytes.removeSubrange(start..<end)
    case 3: bytes.insert(contentsOf: Array(bytes[start..<end]), at: start)
    case 4: bytes.replaceSubrange(start..<end, with: word)
    case 5 where start < bytes.count:
      bytes[start] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
    case 6 where bytes.count < 4096:
      let count = Int.random(in: 1..<64, using: &random)
      bytes.insert(contentsOf: repeatElement(word, count: count).joined(), at: start)
    default: bytes.insert(contentsOf: word, at: start)
    }
  }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
