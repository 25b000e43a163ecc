// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("Training with class weights and row weights")
struct WeightedTrainingTests {
  let lockstep: TableCases
  let folder: TemporaryFolder

  init() throws {
    lockstep = try TableCases()
    folder = lockstep.folder
  }

  /// Rows of three classes, one of them rare, with a weight.
  private func table(_ rows: Int, seed: UInt64 = 1) -> String {
    var random = RandomRows(seed: seed)
    var text = "a,importance,b,kind\n"
    for _ in 0..<rows {
      let (a, b) = (random.normal(), random.normal())
      let kind = a + b > 1.8 ? "rare, odd" : a > b ? "left" : "right"
      text += String(format: "%.3f,%.2f,%.3f,\"%@\"\n", a, random.fraction() * 4, b, kind)
    }
    return text
  }

  static let small = [
    "--slices", "8", "--epochs", "3", "--batch", "37", "--layers", "12,7", "--log-every", "1",
    "--checkpoint-every", "5", "--learning-rate", "0.01",
  ]
  static let weighted = [
    "--weights", "importance", "--class-weight", "\"rare, odd\":5,left:0.5",
  ]

  @Test("Weighted training gives the same bits on 1 to 5 ranks, with both exchanges")
  func ranks() throws {
    try folder.write("t.csv", table(211))
    for ranks in 1...5 {
      try lockstep.train("t.csv", Self.small + Self.weighted, run: "r\(ranks)", ranks: ranks)
    }
    let more: [(String, Int, [String])] = [
      ("all3", 3, ["--exchange", "all-reduce", "--bucket-mb", "0.001"]),
      ("messages2", 2, ["--transport", "messages", "--exchange-schedule", "halving"]),
    ]
    for (run, ranks, options) in more {
      try lockstep.train("t.csv", Self.small + Self.weighted + options, run: run, ranks: ranks)
    }
    let last = try folder.text(of: "r1/checkpoints/latest").trimmingCharacters(in: .newlines)
    for name in ["metrics.jsonl", "checkpoints/\(last)"] {
      let first = try folder.bytes(of: "r1/\(name)")
      for run in (2...5).map({ "r\($0)" }) + more.map(\.0) {
        let isSame = try folder.bytes(of: "\(run)/\(name)") == first
        #expect(isSame, "\(run): \(name)")
      }
    }
    let config = try folder.text(of: "r3/config.yaml")
    #expect(config.contains("\nweights: [importance]\n"), "\(config)")
    #expect(config.contains(#"class-weight: "left:0.5,\"rare, odd\":5""#), "\(config)")
    // The configuration repeats the run, and weights change it.
    let again = try lockstep(["train", "--config", "r3/config.yaml", "--run", "again"])
    #expect(again.status == 0, "\(again.standardError)")
    #expect(try folder.text(of: "again/metrics.jsonl") == folder.text(of: "r1/metrics.jsonl"))
    try lockstep.train("t.csv", Self.small + ["--ignore", "importance"], run: "plain")
    #expect(try folder.text(of: "plain/metrics.jsonl") != folder.text(of: "r1/metrics.jsonl"))
  }

  @Test("Weights that are all the same give the weights of a network that is trained without")
  func same() throws {
    let rows = table(150).split(separator: "\n")
    let constant = rows.map { line in
      let cells = line.split(separator: ",", maxSplits: 2)
      return "\(cells[0]),\(line == rows[0] ? "importance" : "2.5"),\(cells[2])\n"
    }.joined()
    try folder.write("t.csv", constant)
    try lockstep.train("t.csv", Self.small + ["--ignore", "importance"], run: "plain")
    try lockstep.train("t.csv", Self.small + ["--weights", "importance"], run: "weights")
    try lockstep.train(
      "t.csv",
      Self.small + ["--ignore", "importance", "--class-weight", "left:3,right:3,\"rare, odd\":3"],
      run: "classes")
    let digests = try ["plain", "weights", "classes"].map { run in
      try #require(lockstep.object(folder.text(of: "\(run)/summary.json"))["digest"] as? String)
    }
    #expect(Set(digests).count == 1)
  }

  @Test("A weighted run is resumed on other ranks with its weights, and refused with others")
  func resume() throws {
    try folder.write("t.csv", table(211))
    let balanced = Self.small + ["--weights", "importance", "--class-weight", "balanced"]
    try lockstep.train("t.csv", balanced, run: "whole", ranks: 1)
    try lockstep.train("t.csv", balanced, run: "cut", ranks: 3)
    let last = try folder.text(of: "whole/checkpoints/latest").trimmingCharacters(in: .newlines)
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.file("cut/checkpoints"))
    where name > "step-000000005.safetensors" && name != "latest" {
      try folder.remove("cut/checkpoints/\(name)")
    }
    try folder.remove("cut/summary.json")
    func resume(_ options: [String]) throws -> CommandResult {
      try lockstep(["train", "t.csv"] + options + ["--run", "cut", "--resume"], ranks: 2)
    }
    let refused: [([String], String)] = [
      (
        Self.small + ["--weights", "importance", "--class-weight", "left:2"],
        "--class-weight left:2 (was balanced)"
      ),
      (
        Self.small + ["--weights", "importance"],
        "--class-weight none (was balanced); leave them as they were"
      ),
      (
        Self.small + ["--ignore", "importance", "--class-weight", "balanced"],
        "--weights unset (was importance)"
      ),
    ]
    for (options, words) in refused {
      let result = try resume(options)
      #expect(result.status == 64, "\(result.standardError)")
      #expect(result.standardError.contains(words), "\(result.standardError)")
    }
    let result = try resume(balanced)
    #expect(result.status == 0, "\(result.standardError)")
    for name in ["metrics.jsonl", "checkpoints/\(last)"] {
      let isSame = try folder.bytes(of: "cut/\(name)") == folder.bytes(of: "whole/\(name)")
      #expect(isSame, "\(name)")
    }
    // A run without weights is not continued with them.
    try lockstep.train("t.csv", Self.small + ["--ignore", "importance"], run: "plain")
    let added = try lockstep(
      ["train", "t.csv"] + Self.small
        + ["--ignore", "importance", "--class-weight", "balanced", "--run", "plain", "--resume"])
    #expect(added.status == 64, "\(added.standardError)")
    #expect(
      added.standardError.contains("--class-weight balanced (was unset)"), "\(added.standardError)")
  }

  @Test("Balanced class weights find more of a rare class, as in a table of frauds")
  func imbalance() throws {
    var random = RandomRows(seed: 35)
    var text = "V1,V2,V3,V4,V5,V6,Class\n"
    var classes: [String] = []
    for _ in 0..<3000 {
      let features = random.normals(6)
      let score = features[0] + features[1] - features[2] + 0.8 * random.normal()
      classes.append(score > 3.7 ? "1" : "0")
      text += features.map { String(format: "%.3f", $0) }.joined(separator: ",") + ","
      text += classes[classes.count - 1] + "\n"
    }
    try folder.write("fraud.csv", text)
    let frauds = classes.count { $0 == "1" }
    try #require((30...120).contains(frauds), "\(frauds)")
    let options = ["--epochs", "10", "--layers", "32", "--learning-rate", "0.003"]
    func recall(_ run: String, _ more: [String]) throws -> Double {
      let summary = try lockstep.train("fraud.csv", options + more, run: run)
      #expect(summary["test_loss"].isFinite)
      let predicted = try lockstep.predict("fraud.csv", run: run).dropFirst()
      let found = zip(predicted, classes).count { $0.hasPrefix("1,") && $1 == "1" }
      return Double(found) / Double(frauds)
    }
    let plain = try recall("plain", [])
    let balanced = try recall("balanced", ["--class-weight", "balanced"])
    #expect(balanced > plain + 0.1 && balanced > 0.85, "\(balanced), \(plain) without weights")
    let listed = try recall("listed", ["--class-weight", "1.0:20"])
    #expect(listed > plain)
  }

  @Test("describe and the start of a run show the weights, and evaluate and predict need no column")
  func shown() throws {
    try folder.write("t.csv", table(160))
    let shown = try lockstep.describe(
      "t.csv", ["--weights", "importance", "--class-weight", "\"rare, odd\":5"])
    for part in [
      "weights        column importance\n", "class weights  left (1), rare, odd (5), right (1)\n",
      "2 numeric; 2 inputs, 3 outputs",
      "note: --class-weight: classes that are not listed have weight 1: left, right",
    ] {
      #expect(shown.contains(part), "\(shown)")
    }
    let started = try lockstep(
      ["train", "t.csv"] + Self.small + Self.weighted + ["--run", "r"])
    #expect(started.status == 0, "\(started.standardError)")
    #expect(
      (started.standardOutput + started.standardError).contains("column importance"),
      "\(started.standardOutput)\(started.standardError)")
    let figures = try lockstep.evaluate("t.csv")
    try folder.write(
      "new.csv",
      table(160).split(separator: "\n").map { line in
        let cells = line.split(separator: ",", maxSplits: 2)
        return "\(cells[0]),\(cells[2])\n"
      }.joined())
    let without = try lockstep.evaluate("new.csv")
    #expect(without.numbers["loss"] != nil && without["loss"] == figures["loss"])
    #expect(!without.said.contains("importance"), "\(without.said)")
    #expect(try lockstep.predict("new.csv") == lockstep.predict("t.csv"))
    let inspected = try lockstep(["inspect", "r"], ranks: 1)
    #expect(inspected.standardOutput.contains("column importance"), "\(inspected.standardOutput)")
  }

  @Test("Weights that can't hold are refused before training with one line that says why")
  func refused() throws {
    try folder.write("t.csv", table(100))
    try folder.write("zero.csv", "a,w,y\n" + (0..<40).map { "\($0),0,\($0 % 2)\n" }.joined())
    try folder.write("bad.csv", "a,w,y\n" + (0..<40).map { "\($0),\(9 - $0),\($0 % 2)\n" }.joined())
    try folder.write("n.csv", "a,y\n" + (0..<40).map { "\($0),\($0).5\n" }.joined())
    let cases: [([String], Int32, String)] = [
      (
        ["zero.csv", "--weights", "w"], 65,
        "zero.csv: all training rows have weight 0 (--weights w)"
      ),
      (
        ["bad.csv", "--weights", "w"], 65,
        "bad.csv: the weights w: 30 cells below 0 (first \"-1.0\""
      ),
      (["t.csv", "--weights", "importance,a"], 64, "--weights importance,a: must be one column"),
      (["t.csv", "--weights", "x"], 64, "--weights x: no such column in t.csv"),
      (["n.csv", "--class-weight", "balanced"], 65, "n.csv: --class-weight needs classes"),
      (
        ["t.csv", "--class-weight", "up:2"], 64, "no class has the label up; the classes are left,"
      ),
      (["t.csv", "--class-weight", "left:-2"], 64, "a weight must be 0 or a positive number"),
      (
        ["t.csv", "--class-weight", "left:0,right:0,\"rare, odd\":0"], 65,
        "all training rows have weight 0 (--class-weight left:0,"
      ),
      (["digits", "--weights", "1"], 64, "--weights 1: only the columns of a table can be named"),
      (
        ["digits", "--class-weight", "11:2"], 64, "no class has the label 11; the classes are 0, 1,"
      ),
    ]
    for (arguments, status, words) in cases {
      let said = try lockstep.refusal(["train"] + arguments + ["--run", "r"], status: status)
      #expect(said.contains(words), "\(said)")
      #expect(!FileManager.default.fileExists(atPath: folder.file("r/summary.json")))
    }
    let form = try lockstep(["train", "t.csv", "--class-weight", "left=2"])
    #expect(form.status == 64)
    #expect(
      form.standardError.contains(
        "--class-weight left=2: must be balanced, or LABEL:WEIGHT separated by commas"),
      "\(form.standardError)")
  }
}
