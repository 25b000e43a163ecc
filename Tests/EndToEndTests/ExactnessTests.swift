// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// The folder with MNIST's test set, if `LOCKSTEP_MNIST` names one.
private let mnistFolder = ProcessInfo.processInfo.environment["LOCKSTEP_MNIST"].map {
  URL(fileURLWithPath: $0, relativeTo: packageRoot).path
}

@Suite("Bitwise reproducibility")
struct ExactnessTests {
  let runs: TrainingRuns

  init() throws { runs = try TrainingRuns() }

  @Test("A run gives the same bits on 1, 2, 3 and 4 ranks, with both exchange modes")
  func digits() throws {
    for mode in ["sharded", "all-reduce"] {
      for ranks in 1...4 {
        try runs.train(
          "\(mode)\(ranks)", ranks: ranks,
          [
            "digits", "--steps", "5", "--slices", "4", "--log-every", "1", "--exchange", mode,
          ])
      }
    }
    for name in ["metrics.jsonl", "checkpoints/step-000000005.safetensors"] {
      let first = try runs.file("sharded1", name)
      #expect(!first.isEmpty)
      for mode in ["sharded", "all-reduce"] {
        for ranks in 1...4 {
          #expect(try runs.file("\(mode)\(ranks)", name) == first, "\(mode) \(ranks) \(name)")
        }
      }
    }
  }

  @Test(
    "Ranks that do not divide the batch, or outnumber its rows, give the bits of one rank",
    arguments: [
      ["--batch", "61", "--slices", "7", "--optimizer", "sgd", "--momentum", "0.9"],
      ["--batch", "5", "--slices", "8", "--loss", "mse", "--batch-norm-backward", "frozen"],
      ["--batch", "3", "--slices", "7", "--clip-norm", "0.5", "--schedule", "cosine"],
      ["--batch", "47", "--slices", "6", "--activation", "gelu"],
      ["--batch", "64", "--slices", "8", "--batch-norm", "off", "--weight-decay", "0.01"],
      [
        "--batch", "61", "--slices", "7", "--optimizer", "lamb", "--weight-decay", "0.1",
        "--max-norm", "1.25",
      ],
      ["--batch", "5", "--slices", "8", "--optimizer", "lars", "--momentum", "0.9"],
      ["--batch", "47", "--slices", "6", "--optimizer", "rmsprop", "--schedule", "one-cycle"],
    ])
  func oddBatches(options: [String]) throws {
    let data = ["synthetic:101x9x4", "--layers", "12,7", "--epochs", "2", "--log-every", "1"]
    for ranks in [1, 2, 3, 5] {
      let more = ranks == 3 ? ["--exchange", "all-reduce", "--bucket-mb", "0.001"] : []
      try runs.train("r\(ranks)", ranks: ranks, data + options + more)
    }
    let metrics = try runs.file("r1", "metrics.jsonl")
    let weights = try runs.file("r1", "checkpoints/latest")
    let latest = String(decoding: weights, as: UTF8.self).trimmingCharacters(in: .newlines)
    for ranks in [2, 3, 5] {
      #expect(try runs.file("r\(ranks)", "metrics.jsonl") == metrics)
      #expect(
        try runs.file("r\(ranks)", "checkpoints/\(latest)")
          == runs.file("r1", "checkpoints/\(latest)"))
    }
  }

  @Test(
    "Layers so wide that parts of their gradients are sent early give the bits of one rank",
    arguments: [
      (2, ["--transport", "messages"]), (3, ["--transport", "auto"]),
      (4, ["--transport", "messages", "--exchange-schedule", "halving"]),
    ])
  func wideLayers(ranks: Int, options: [String]) throws {
    let data = [
      "synthetic:101x9x4", "--layers", "600,300", "--batch", "40", "--slices", "6", "--steps", "4",
      "--log-every", "1",
    ]
    try runs.train("one", ranks: 1, data)
    try runs.train(
      "many", ranks: ranks, data + options + ["--bucket-mb", "0.01"])
    for name in ["metrics.jsonl", "checkpoints/step-000000004.safetensors"] {
      #expect(try runs.file("many", name) == runs.file("one", name))
    }
  }

  @Test(
    "LAMB and max-norm give the bits of one rank where a layer's weights span many blocks and ranks",
    arguments: [
      (2, ["--transport", "messages"]), (3, ["--transport", "auto"]),
      (4, ["--transport", "auto", "--exchange-schedule", "halving"]),
      (3, ["--exchange", "all-reduce"]),
    ])
  func layerwise(ranks: Int, options: [String]) throws {
    let data = [
      "synthetic:101x9x4", "--layers", "600,300", "--batch", "40", "--slices", "6", "--steps", "4",
      "--log-every", "1", "--optimizer", "lamb", "--max-norm", "1.25",
    ]
    try runs.train("one", ranks: 1, data)
    try runs.train("many", ranks: ranks, data + options + ["--bucket-mb", "0.01"])
    for name in ["metrics.jsonl", "checkpoints/step-000000004.safetensors"] {
      #expect(try runs.file("many", name) == runs.file("one", name))
    }
  }

  @Test(
    "Compare finds equal runs equal, and reports the first step and tensor that differ in others")
  func compare() throws {
    let options = ["digits", "--layers", "8", "--slices", "3", "--epochs", "2"]
    try runs.train("a", ranks: 1, options)
    try runs.train("b", ranks: 3, options)
    try runs.train("c", ranks: 1, options + ["--learning-rate", "0.002"])
    let binary = try productURL(named: "lockstep").path
    let equal = try run(binary, ["compare", "a", "b"], currentDirectory: runs.folder)
    #expect(equal.status == 0)
    #expect(equal.standardOutput.hasPrefix("a and b are equal: 4 logged steps, 2 checkpoints\n"))
    let other = try run(
      binary, ["compare", "a", "b", "c", "--json"], currentDirectory: runs.folder)
    #expect(other.status == 1)
    let document = try #require(
      try JSONSerialization.jsonObject(with: Data(other.standardOutput.utf8)) as? [String: Any])
    let found = try #require(document["comparisons"] as? [[String: Any]])
    #expect(found.map { $0["is_equal"] as? Bool } == [true, false])
    // A step's loss is taken before its update, its digest after it.
    let step = try #require(found[1]["first_step"] as? [String: Any])
    #expect(step["step"] as? Int == 1)
    let losses = try #require(step["losses"] as? [Double])
    #expect(losses[0] == losses[1])
    let tensor = try #require(found[1]["first_tensor"] as? [String: Any])
    #expect(tensor["step"] as? Int == 24 && tensor["tensor"] as? String == "layers.0.weight")
    for (key, last) in [("held_out_by_steps", 24), ("held_out_by_epochs", 2)] {
      let rows = try #require((document[key] as? [String: Any])?["rows"] as? [[String: Any]])
      #expect(rows.map { $0["at"] as? Int } == [last / 2, last])
      #expect(rows.allSatisfy { ($0["runs"] as? [[String: Any]])?.count == 3 })
    }
    let missing = try run(binary, ["compare", "a", "nowhere"], currentDirectory: runs.folder)
    #expect(missing.status == 66)
    #expect(missing.standardError.contains("lockstep: nowhere/metrics.jsonl: "))
  }

  @Test("Another seed, data set or number of slices gives other bits")
  func mustDiffer() throws {
    let data = ["--layers", "5", "--steps", "3", "--log-every", "1"]
    try runs.train("a", ranks: 1, ["synthetic:50x4x2", "--slices", "2"] + data)
    try runs.train("b", ranks: 1, ["synthetic:50x4x2", "--slices", "2", "--seed", "1"] + data)
    try runs.train("c", ranks: 1, ["synthetic:50x4x2:1", "--slices", "2"] + data)
    try runs.train("d", ranks: 1, ["synthetic:50x4x2", "--slices", "3"] + data)
    let metrics = try ["a", "b", "c", "d"].map { try runs.file($0, "metrics.jsonl") }
    #expect(Set(metrics).count == 4)
  }

  @Test(
    "Five steps agree with an independent Float64 computation to 1e-5",
    arguments: [["--optimizer", "adam"], ["--optimizer", "sgd", "--momentum", "0.9"]])
  func fiveSteps(optimizer: [String]) throws {
    try runs.train(
      "r", ranks: 2,
      [
        "digits", "--layers", "16", "--batch", "1797", "--validation-split", "0", "--steps", "5",
      ] + optimizer)
    let data = packageRoot.appendingPathComponent(
      "Sources/Datasets/Resources/digits/digits.csv.gz")
    let script = packageRoot.appendingPathComponent("Tests/Reference/five_steps.py")
    let checkpoints = [0, 5].map {
      "\(runs.folder)/r/checkpoints/step-00000000\($0).safetensors"
    }
    let right = try run(
      "python3",
      [script.path, "--divide", "16", "--steps", "5"] + optimizer + checkpoints + [data.path])
    #expect(right.status == 0, "\(right.standardOutput)\(right.standardError)")
    let wrong = try run(
      "python3",
      [script.path, "--divide", "16", "--steps", "4"] + optimizer + checkpoints + [data.path])
    #expect(wrong.status == 1)
  }

  @Test(
    "Training on MNIST reaches 93.5 % accuracy in 10 epochs, with the same metrics on 1 to 4 ranks",
    .enabled(
      if: mnistFolder != nil,
      "needs LOCKSTEP_MNIST, a folder with MNIST's test set"))
  func mnist() throws {
    let path = try #require(mnistFolder)
    for ranks in 1...4 {
      try runs.train("m\(ranks)", ranks: ranks, [path, "--slices", "4"])
      #expect(
        try runs.file("m\(ranks)", "metrics.jsonl") == runs.file("m1", "metrics.jsonl"))
    }
    let summary = try #require(
      try JSONSerialization.jsonObject(with: runs.file("m1", "summary.json")) as? [String: Any])
    #expect(summary["test_accuracy"] as? Double ?? 0 >= 0.935)
  }
}

@Suite("Combinations of options")
struct ExactnessMatrixTests {
  @Test("The pairwise test matrix covers every pair of option values")
  func covers() {
    let covered = ExactnessMatrix.pairwise.reduce(into: Set<ExactnessMatrix.Pair>()) {
      $0.formUnion(ExactnessMatrix.pairs($1))
    }
    #expect(covered == ExactnessMatrix.allPairs)
    #expect(ExactnessMatrix.pairwise.count < 40)
  }

  @Test(
    "Every combination of the matrix gives the metrics and checkpoints of one rank",
    arguments: ExactnessMatrix.pairwise)
  func sameBits(combination: [Int]) throws {
    let runs = try TrainingRuns()
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

  @Test("A run of 500 steps on 4 ranks gives the same bits three times in a row")
  func repeats() throws {
    let runs = try TrainingRuns()
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

/// Options that must not change a bit, or that change the run but not its reproducibility, and a
/// reduced set of their combinations in which each pair of values occurs (pairwise testing).
private struct ExactnessMatrix {
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
    [
      ["--optimizer", "adam"], ["--optimizer", "sgd", "--momentum", "0.9"],
      ["--optimizer", "lamb", "--max-norm", "1.25"],
    ],
    [["--loss", "cross-entropy"], ["--loss", "mse"]],
    [["--batch-norm-backward", "exact"], ["--batch-norm-backward", "frozen"]],
  ]

  /// Two values, each as the indices of its factor and of the value.
  struct Pair: Hashable {
    let first: [Int]
    let second: [Int]
  }

  /// One index into ``values`` per factor.
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

  /// All combinations except those with fewer slices than ranks.
  static let all: [Combination] = values.reduce([[]]) { combinations, factor in
    combinations.flatMap { combination in factor.indices.map { combination + [$0] } }
  }.filter { !($0[0] == 5 && $0[1] == 1) }

  static let allPairs = all.reduce(into: Set<Pair>()) { $0.formUnion(pairs($1)) }

  /// Adds the combination with the most new pairs until none is missing.
  static let pairwise: [Combination] = {
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

  /// The options of a combination, without the number of ranks.
  static func options(_ combination: Combination) -> [String] {
    zip(values, combination).dropFirst().flatMap { factor, value in factor[value] }
  }
}
