// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("Loss functions from the command line")
struct LossCommandTests {
  let lockstep: TableCases
  let folder: TemporaryFolder

  init() throws {
    lockstep = try TableCases()
    folder = lockstep.folder
  }

  /// Rows with a number, a count, and two targets of 0 and 1.
  private func table(_ rows: Int) -> String {
    var random = RandomRows(seed: 5)
    return "a,b,price,visits,late,lost\n"
      + (0..<rows).map { _ in
        let (a, b) = (random.normal(), random.normal())
        let visits = Int(exp(0.5 + 0.5 * a) * 2 * random.fraction() + 0.5)
        return String(
          format: "%.3f,%.3f,%.2f,%d,%@,%d\n", a, b, 100 + 20 * a - 10 * b + random.normal(),
          visits,
          a + b > 0 ? "True" : "False", b > 0.8 ? 1 : 0)
      }.joined()
  }

  static let options = [
    "--slices", "4", "--epochs", "5", "--batch", "40", "--layers", "8", "--learning-rate", "0.02",
    "--log-every", "1",
  ]

  static let cases: [(loss: [String], target: String, header: String, keys: [String])] = [
    (["mae"], "price", "predicted_price", ["loss", "mae", "mse", "r2", "rmse", "rows"]),
    (
      ["huber", "--huber-delta", "0.5"], "price", "predicted_price",
      ["loss", "mae", "mse", "r2", "rmse", "rows"]
    ),
    (
      ["quantile", "--quantile", "0.9"], "price", "predicted_price",
      ["loss", "mae", "mse", "r2", "rmse", "rows"]
    ),
    (["poisson"], "visits", "predicted_visits", ["loss", "mae", "mse", "r2", "rmse", "rows"]),
    (["binary-cross-entropy"], "late,lost", "p_late,p_lost", ["accuracy", "loss", "rows"]),
    (
      ["cross-entropy", "--label-smoothing", "0.1"], "late", "class,p_False,p_True",
      ["accuracy", "loss", "rows"]
    ),
  ]

  @Test(
    "Training with a loss gives the same bits on 1 and 3 ranks, and scores and predictions of its kind",
    arguments: cases.indices)
  func ranks(index: Int) throws {
    let (loss, target, header, keys) = Self.cases[index]
    try folder.write("t.csv", table(200))
    let options = Self.options + ["--target", target, "--ignore", "x", "--loss"] + loss
    let others = ["price", "visits", "late", "lost"].filter { !target.contains($0) }
    for ranks in [1, 3] {
      try lockstep.train(
        "t.csv", options.map { $0 == "x" ? others.joined(separator: ",") : $0 }, run: "r\(ranks)",
        ranks: ranks)
    }
    for name in ["metrics.jsonl", "config.yaml", "checkpoints/step-000000020.safetensors"] {
      #expect(try folder.bytes(of: "r1/\(name)") == folder.bytes(of: "r3/\(name)"), "\(name)")
    }
    let figures = try [1, 3].map {
      try lockstep.evaluate("t.csv", ["--slices", "4"], run: "r1", ranks: $0).numbers
    }
    #expect(figures[0] == figures[1] && Set(keys).isSubset(of: figures[0].keys))
    let lines = try lockstep.predict("t.csv", run: "r1")
    #expect(lines.count == 201 && lines[0] == header)
    let numbers = lines.dropFirst().flatMap { $0.split(separator: ",") }.compactMap { Double($0) }
    #expect(numbers.count == 200 * header.split(separator: ",").count { $0 != "class" })
    let range = header.contains("p_") ? 0...1 : 0...1000.0
    #expect(numbers.allSatisfy { range.contains($0) })
    // The configuration of a run repeats it.
    let repeated = try lockstep(
      ["train", "--config", "r1/config.yaml", "--run", "again"], ranks: 1)
    #expect(repeated.status == 0, "\(repeated.standardError)")
    #expect(try folder.bytes(of: "again/metrics.jsonl") == folder.bytes(of: "r1/metrics.jsonl"))
  }

  @Test("Options of another loss, and targets that a model's loss is not defined for, are refused")
  func refusals() throws {
    try folder.write("t.csv", table(60))
    let wrong = [
      (["--quantile", "0.9"], "--quantile 0.9: requires --loss quantile"),
      (["--huber-delta", "2", "--loss", "mse"], "--huber-delta 2.0: requires --loss huber"),
      (["--loss", "quantile", "--quantile", "1"], "--quantile 1: must be between 0 and 1"),
      (
        ["--loss", "mae", "--label-smoothing", "0.1"],
        "--label-smoothing 0.1: requires --loss cross-entropy, not mae"
      ),
      (
        ["--loss", "poisson", "--target-scale", "standard"],
        "--target-scale standard: --loss poisson takes targets as they are"
      ),
    ]
    for (options, message) in wrong {
      let said = try lockstep.refusal(["train", "t.csv"] + options, status: 64)
      #expect(said.contains(message), "\(said)")
    }
    let options = Self.options + ["--target", "visits", "--features", "a,b", "--loss", "poisson"]
    try lockstep.train("t.csv", options)
    try folder.write("bad.csv", "a,b,visits\n0,1,2\n1,0,-3\n")
    let said = try lockstep.refusal(["evaluate", "r", "bad.csv"])
    #expect(said.contains("bad.csv: row 2: visits is -3"), "\(said)")
  }
}
