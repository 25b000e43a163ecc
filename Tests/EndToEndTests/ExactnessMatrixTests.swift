// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// The choices that must not change a bit, or change the run but not its exactness, and a thinned
/// set of their combinations in which each pair of values occurs.
struct ExactnessMatrix {
  static let ranks = [1, 2, 3, 4, 5, 8]
  static let values: [[[String]]] = [
    ranks.map { ["\($0)"] },
    [["--slices", "8"], ["--slices", "7"]],
    [["--transport", "auto"], ["--transport", "messages"]],
    [
      ["--exchange-schedule", "direct"], ["--exchange-schedule", "halving"],
      ["--exchange", "all-reduce"],
    ],
    // 80 % of the rows are trained on: 2 x 64; 61 and 3; 5, 5, 5 and 1; 64 and 37.
    [
      ["synthetic:160x9x4", "--batch", "64"], ["synthetic:80x9x4", "--batch", "61"],
      ["synthetic:20x9x4", "--batch", "5"], ["synthetic:127x9x4", "--batch", "64"],
    ],
    [["--optimizer", "adam"], ["--optimizer", "sgd", "--momentum", "0.9"]],
    [["--loss", "cross-entropy"], ["--loss", "mse"]],
    [["--batch-norm-backward", "exact"], ["--batch-norm-backward", "frozen"]],
  ]

  /// A pair of values: factor and value, twice.
  struct Pair: Hashable {
    let first: [Int]
    let second: [Int]
  }

  /// Indices into ``values``, factor by factor.
  typealias Combination = [Int]

  static func pairs(_ combination: Combination) -> Set<Pair> {
    var pairs: Set<Pair> = []
    for first in combination.indices {
      for second in combination.indices where second > first {
        pairs.insert(
          Pair(first: [first, combination[first]], second: [second, combination[second]]))
      }
    }
    return pairs
  }

  /// All combinations but those with fewer slices than ranks.
  static let all: [Combination] = values.reduce([[]]) { combinations, factor in
    combinations.flatMap { combination in factor.indices.map { combination + [$0] } }
  }.filter { !($0[0] == 5 && $0[1] == 1) }

  static let allPairs = all.reduce(into: Set<Pair>()) { $0.formUnion(pairs($1)) }

  /// Takes the combination with the most new pairs, again and again.
  static let thinned: [Combination] = {
    var missing = allPairs
    var chosen: [Combination] = []
    while !missing.isEmpty {
      var best: (combination: Combination, gain: Int) = ([], 0)
      for combination in all {
        let gain = pairs(combination).intersection(missing).count
        if gain > best.gain { best = (combination, gain) }
      }
      chosen.append(best.combination)
      missing.subtract(pairs(best.combination))
    }
    return chosen
  }()

  /// The options of a combination, without the rank count.
  static func options(_ combination: Combination) -> [String] {
    zip(values, combination).dropFirst().flatMap { factor, value in factor[value] }
  }
}

@Suite("The matrix of choices that must not change a bit")
struct ExactnessMatrixTests {
  @Test("holds each pair of values")
  func covers() {
    let covered = ExactnessMatrix.thinned.reduce(into: Set<ExactnessMatrix.Pair>()) {
      $0.formUnion(ExactnessMatrix.pairs($1))
    }
    #expect(covered == ExactnessMatrix.allPairs)
    #expect(ExactnessMatrix.thinned.count < 40)
  }

  @Test("gives the metrics and checkpoints of one rank", arguments: ExactnessMatrix.thinned)
  func sameBits(combination: [Int]) throws {
    let runs = try Runs()
    let options = ExactnessMatrix.options(combination)
    let small = ["--layers", "12,7", "--epochs", "2", "--log-every", "1", "--bucket-mb", "0.001"]
    try runs.train("many", ranks: ExactnessMatrix.ranks[combination[0]], options + small)
    let plain = options.filter { !["--exchange", "all-reduce"].contains($0) }
    try runs.train(
      "one", ranks: 1, plain + ["--layers", "12,7", "--epochs", "2", "--log-every", "1"])
    let last = try String(decoding: runs.file("one", "checkpoints/latest"), as: UTF8.self)
    for name in ["metrics.jsonl", "checkpoints/\(last.split(separator: "\n").first ?? "")"] {
      let expected = try runs.file("one", name)
      #expect(!expected.isEmpty)
      #expect(try runs.file("many", name) == expected, "\(options) \(name)")
    }
  }

  @Test("and so does a run of 500 steps at 4 ranks, three times over")
  func repeats() throws {
    let runs = try Runs()
    let data = mnistFolder ?? "digits"
    for attempt in 1...3 {
      try runs.train(
        "\(attempt)", ranks: 4, [data, "--steps", "500", "--slices", "4"])
      for name in ["metrics.jsonl", "checkpoints/step-000000500.safetensors"] {
        #expect(try runs.file("\(attempt)", name) == runs.file("1", name))
      }
    }
  }
}
