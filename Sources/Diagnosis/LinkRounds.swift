// SPDX-License-Identifier: Apache-2.0

/// Which ranks' links are measured, and which of them at once.
struct LinkRounds: Hashable {
  /// The most ranks of which every link is measured alone.
  static let few = 8

  /// The ranks whose links are measured.
  let ends: [Int]
  /// Pairs of ranks, round by round; the pairs of a round have no rank in common.
  let rounds: [[ClosedRange<Int>]]

  /// All ranks if they are few; otherwise the first rank of each host, or the first few ranks of
  /// the only one.
  init(hosts: [String]) {
    var ends = Array(hosts.indices)
    if hosts.count > Self.few {
      ends = ends.filter { hosts.firstIndex(of: hosts[$0]) == $0 }
      if ends.count == 1 { ends = Array(hosts.indices.prefix(Self.few)) }
    }
    self.ends = ends
    let all = Self.tournament(ends)
    rounds = ends.count <= Self.few ? all.flatMap { $0.map { [$0] } } : all
  }

  /// Each with each once, as in a tournament: one stays, the others go round.
  private static func tournament(_ ends: [Int]) -> [[ClosedRange<Int>]] {
    var seats: [Int?] = ends + (ends.count % 2 == 0 ? [] : [nil])
    guard seats.count > 1 else { return [] }
    return (1..<seats.count).map { _ in
      let pairs = (0..<seats.count / 2).compactMap { place -> ClosedRange<Int>? in
        guard let one = seats[place], let other = seats[seats.count - 1 - place] else { return nil }
        return Swift.min(one, other)...Swift.max(one, other)
      }
      seats.insert(seats.removeLast(), at: 1)
      return pairs
    }
  }
}
