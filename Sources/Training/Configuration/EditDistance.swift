// SPDX-License-Identifier: Apache-2.0

/// How far words are from each other.
enum EditDistance {
  /// The nearest word, or nil where none is near enough to be what was meant.
  static func nearest(to word: String, among words: [String]) -> String? {
    guard word.utf8.count <= 64 else { return nil }
    let simple = { (text: String) in text.lowercased().replacing("_", with: "-") }
    let distances = words.map { ($0, distance(Array(simple(word).utf8), Array(simple($0).utf8))) }
    guard let best = distances.min(by: { $0.1 < $1.1 }), best.1 <= max(2, word.utf8.count / 3)
    else { return nil }
    return best.0
  }

  /// How many bytes must be put in, taken out or changed (Levenshtein 1966), row by row.
  static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, y) in b.enumerated() {
        let changed = diagonal + (x == y ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(changed, row[j] + 1, diagonal + 1)
      }
    }
    return row[b.count]
  }
}
