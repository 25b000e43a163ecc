// SPDX-License-Identifier: Apache-2.0
internal import Machine

/// Distinct words, each with a code: 0 for the first, 1 for the second and so on.
final class WordTable {
  private struct Word {
    var start: Int
    var length: Int
    var cells: Int
    var firstLine: Int
  }

  /// Whether the limit was exceeded, so that no more words are added.
  private(set) var isFull = false

  private let limit: Int
  private var bytes: [UInt8] = []
  private var words: [Word] = []
  /// Open addressing: the code of the word in each place, plus 1; 0 in free places.
  private var places = [UInt32](repeating: 0, count: 16)

  /// More words than this are too many for categories, unless a person says so.
  static let limit = 50_000

  /// - Parameter limit: the number of words after which none is added.
  init(limit: Int) {
    self.limit = limit
  }

  /// The number of words.
  var count: Int { words.count }

  /// The text of a word.
  func text(_ code: Int) -> String {
    let word = words[code]
    return String(decoding: bytes[word.start..<word.start + word.length], as: UTF8.self)
  }

  /// How often each word was added, and the line where it was first.
  var tallies: [String: ColumnTally.Cells] {
    var tallies: [String: ColumnTally.Cells] = [:]
    for (code, word) in words.prefix(isFull ? ColumnTally.examples : words.count).enumerated() {
      tallies[text(code)] = ColumnTally.Cells(count: word.cells, firstLine: word.firstLine)
    }
    return tallies
  }

  /// Adds a cell with a word, and returns the word's code.
  func add(_ word: UnsafeBufferPointer<UInt8>, line: Int) -> Int {
    let hash = Self.hash(word)
    if let code = find(word, hash) {
      words[code].cells += 1
      return code
    }
    if count >= limit { isFull = true }
    return isFull ? 0 : insert(word, hash, line: line)
  }

  private func find(_ word: UnsafeBufferPointer<UInt8>, _ hash: Int) -> Int? {
    places.withUnsafeBufferPointer { places in
      words.withUnsafeBufferPointer { words in
        bytes.withUnsafeBufferPointer { bytes in
          var place = hash & (places.count - 1)
          while places[place] != 0 {
            let code = Int(places[place]) - 1
            let (start, length) = (words[code].start, words[code].length)
            if length == word.count, bytes[start..<start + length].elementsEqual(word) {
              return code
            }
            place = (place + 1) & (places.count - 1)
          }
          return nil
        }
      }
    }
  }

  private func insert(_ word: UnsafeBufferPointer<UInt8>, _ hash: Int, line: Int) -> Int {
    words.append(Word(start: bytes.count, length: word.count, cells: 1, firstLine: line))
    bytes.append(contentsOf: word)
    place(code: count - 1, hash)
    if count * 2 > places.count { grow() }
    return count - 1
  }

  private func place(code: Int, _ hash: Int) {
    var place = hash & (places.count - 1)
    while places[place] != 0 { place = (place + 1) & (places.count - 1) }
    places[place] = UInt32(code + 1)
  }

  private func grow() {
    places = [UInt32](repeating: 0, count: places.count * 2)
    bytes.withUnsafeBufferPointer { bytes in
      for (code, word) in words.enumerated() {
        place(
          code: code,
          Self.hash(UnsafeBufferPointer(rebasing: bytes[word.start..<word.start + word.length])))
      }
    }
  }

  /// FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv).
  private static func hash(_ word: UnsafeBufferPointer<UInt8>) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in word { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return Int(truncatingIfNeeded: hash ^ hash >> 32)
  }
}

/// Rows as they were read: a Float32 or the code of a word per feature, a Float64 or a code per target.
final class RowBlock {
  private static let bytes = 4 << 20
  /// What is left to others.
  private static let reserve = 64 << 20

  let capacity: Int
  let features: UnsafeMutablePointer<UInt32>
  let targets: UnsafeMutablePointer<Double>
  var rows = 0
  /// Mapped, since what the allocator frees may stay with the process.
  private let memory: MappedMemory

  /// - Throws: ``DatasetError`` if there is no memory.
  init(features width: Int, targets count: Int, path: String) throws(DatasetError) {
    let rowBytes = MemoryLayout<UInt32>.stride * width + MemoryLayout<Double>.stride * count
    capacity = max(Self.bytes / max(rowBytes, 1), 16)
    guard Memory.availableBytes > Self.reserve,
      let memory = MappedMemory(bytes: capacity * rowBytes)
    else { throw .unreadable(path: path, reason: "its rows need more memory than is free") }
    self.memory = memory
    targets = memory.base.assumingMemoryBound(to: Double.self)
    features = (memory.base + capacity * MemoryLayout<Double>.stride * count)
      .assumingMemoryBound(to: UInt32.self)
  }
}
