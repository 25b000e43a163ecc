// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// The folder with MNIST's test set, if `LOCKSTEP_MNIST` names it.
let mnistFolder = ProcessInfo.processInfo.environment["LOCKSTEP_MNIST"].map {
  URL(fileURLWithPath: $0, relativeTo: packageRoot).path
}

@Suite("The same run gives the same bits")
struct ExactnessTests {
  let runs: Runs

  init() throws { runs = try Runs() }

  @Test("on 1, 2, 3 and 4 ranks, with both exchange modes")
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
    "with batches that don't divide, fewer rows than ranks, other optimizers and losses",
    arguments: [
      ["--batch", "61", "--slices", "7", "--optimizer", "sgd", "--momentum", "0.9"],
      ["--batch", "5", "--slices", "8", "--loss", "mse", "--batch-norm-backward", "frozen"],
      ["--batch", "3", "--slices", "7", "--clip-norm", "0.5", "--schedule", "cosine"],
      ["--batch", "64", "--slices", "8", "--batch-norm", "off", "--weight-decay", "0.01"],
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
    "with layers so wide that parts of their gradients travel ahead",
    arguments: [
      (2, ["--transport", "messages"]), (3, ["--transport", "auto"]),
      (4, ["--transport", "messages", "--exchange-schedule", "halving"]),
    ])
  func parts(ranks: Int, options: [String]) throws {
    let data = [
      "synthetic:101x9x4", "--layers", "600,300", "--batch", "40", "--slices", "6", "--steps", "4",
      "--log-every", "1",
    ]
    try runs.train("alone", ranks: 1, data)
    try runs.train(
      "parted", ranks: ranks, data + options + ["--bucket-mb", "0.01"])
    for name in ["metrics.jsonl", "checkpoints/step-000000004.safetensors"] {
      #expect(try runs.file("parted", name) == runs.file("alone", name))
    }
  }

  @Test("as compare tells, with the first step and tensor that differ where they do")
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
    // The first step's loss comes before its update, its digest after it.
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
    #expect(missing.standardError.contains("'nowhere/metrics.jsonl'"))
  }

  @Test("and a changed seed, data row or slice count gives others")
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
    "as an independent Float64 computation from step 0, to 1e-5",
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
    "MNIST's test set: 93.5 % held out after 10 epochs, the same digest on 1 to 4 ranks",
    .enabled(
      if: mnistFolder != nil,
      "LOCKSTEP_MNIST names no folder with MNIST's test set"))
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
