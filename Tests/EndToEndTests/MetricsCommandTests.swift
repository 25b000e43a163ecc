// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("Metrics from the command line")
struct MetricsCommandTests {
  let lockstep: TableCases
  let folder: TemporaryFolder

  init() throws {
    lockstep = try TableCases()
    folder = lockstep.folder
  }

  /// Rows with a region, two classes that can't be told apart for certain, three classes, and a number.
  private func table(_ rows: Int) -> String {
    var random = RandomRows(seed: 7)
    return "id,region,a,b,churned,plan,price\n"
      + (0..<rows).map { row in
        let (a, b) = (random.normal(), random.normal())
        let score = a + b + random.normal()
        return String(
          format: "%d,%@,%.3f,%.3f,%@,%@,%.2f\n", row,
          ["north", "south", "\"west, far\"", ""][random.below(4)], a, b,
          score > 0.3 ? "yes" : "no", score < -1 ? "basic" : score < 1 ? "plus" : "pro",
          100 + 20 * a - 10 * b + random.normal())
      }.joined()
  }

  static let options = [
    "--features", "a,b", "--slices", "6", "--epochs", "4", "--batch", "40", "--layers", "8",
    "--learning-rate", "0.02",
  ]

  private func print(_ arguments: [String], ranks: Int = 1) throws -> String {
    let result = try lockstep(arguments, ranks: ranks)
    try #require(result.status == 0, "\(result.standardError)")
    return result.standardOutput
  }

  @Test(
    "evaluate prints the same bits on 1 to 4 ranks without an option, of groups too",
    arguments: [["churned"], ["plan"], ["price"]])
  func ranks(target: [String]) throws {
    try folder.write("t.csv", table(2600))
    try lockstep.train("t.csv", Self.options + ["--target"] + target)
    let command = ["evaluate", "r", "t.csv", "--json", "--by", "region"]
    let first = try print(command)
    for ranks in 2...4 {
      let isSame = try print(command, ranks: ranks) == first
      #expect(isSame, "\(ranks) ranks")
    }
    let object = try lockstep.object(first)
    let groups = try #require(object["groups"] as? [[String: Any]])
    #expect(object["by"] as? String == "region")
    #expect(groups.map { $0["name"] as? String } == ["", "north", "south", "west, far"])
    #expect(groups.reduce(0) { $0 + ($1["rows"] as? Int ?? 0) } == 2600)
    let losses = groups.map {
      ($0["loss"] as? Double ?? .nan) * (($0["rows"] as? Double ?? .nan) / 2600)
    }
    let loss = try #require(object["loss"] as? Double)
    #expect(abs(losses.reduce(0, +) - loss) < 1e-9 * loss)
    let keys =
      target == ["price"]
      ? ["mape", "mse", "rmse", "mae", "r2", "targets"]
      : ["accuracy", "balanced_accuracy", "auc", "classes", "confusion_matrix", "log_loss"]
    #expect(keys.allSatisfy { object[$0] != nil })
  }

  @Test("Metrics of a model are those of its predictions, computed pair by pair")
  func predictions() throws {
    try folder.write("t.csv", table(700))
    try lockstep.train("t.csv", Self.options + ["--target", "churned"])
    let found = try lockstep.evaluate("t.csv")
    let truth = table(700).split(separator: "\n").dropFirst().map { $0.contains(",yes,") }
    let p = try lockstep.predict("t.csv").dropFirst().map { line in
      Double(line.split(separator: ",")[2]) ?? .nan
    }
    let (yes, no) = (
      p.indices.filter { truth[$0] }.map { p[$0] }, p.indices.filter { !truth[$0] }.map { p[$0] }
    )
    let wins = yes.reduce(0.0) { sum, score in
      sum + no.reduce(0.0) { $0 + (score > $1 ? 1 : score == $1 ? 0.5 : 0) }
    }
    #expect(abs(found["auc"] - wins / Double(yes.count * no.count)) < 1e-5)
    let brier = p.indices.reduce(0.0) { $0 + pow(p[$1] - (truth[$1] ? 1 : 0), 2) } / 700
    #expect(abs(found["brier"] - brier) < 1e-6)
    #expect(abs(found["log_loss"] - found["loss"]) < 1e-6)
    let right = p.indices.count { (p[$0] > 0.5) == truth[$0] }
    #expect(found["accuracy"] == Double(right) / 700)
  }

  @Test("evaluate prints tables of at most 80 columns")
  func text() throws {
    try folder.write("t.csv", table(900))
    try lockstep.train("t.csv", Self.options + ["--target", "plan"])
    let classes = try print(["evaluate", "r", "t.csv", "--by", "region"])
    for line in [
      "rows               900", "top-2 accuracy", "calibration error",
      "class  precision  recall      F1     AUC  avg. prec.  rows",
      "Confusion matrix (row: class, column: predicted class)", "region     rows    loss",
      "(empty)",
    ] {
      #expect(classes.contains(line), "\(line) in\n\(classes)")
    }
    try lockstep.train("t.csv", Self.options + ["--target", "price,b", "--features", "a"])
    let numbers = try print(["evaluate", "r", "t.csv"])
    #expect(numbers.contains("MAPE") && numbers.contains("target"), "\(numbers)")
    // More classes than are listed, with long names.
    var random = RandomRows(seed: 3)
    let many = (0..<900).map { row in
      let (kind, a) = (row % 30, random.normal())
      return "\(Double(kind) + a),\(Double(kind * kind) / 30 + a),a long name of class \(kind)\n"
    }
    try folder.write("many.csv", "a,b,kind\n" + many.joined())
    try lockstep.train("many.csv", ["--epochs", "2", "--slices", "2"])
    let worst = try print(["evaluate", "r", "many.csv"])
    #expect(worst.contains("The 20 classes with the lowest F1; 10 more are not shown"))
    #expect(worst.contains("Most frequent confusions") && worst.contains(" taken for "))
    for text in [classes, numbers, worst] {
      #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(text)")
    }
    let object = try lockstep.object(try print(["evaluate", "r", "many.csv", "--json"]))
    #expect((object["classes"] as? [Any])?.count == 30)
  }

  @Test("--metrics gives the same log and evaluation.json on any ranks, and after a resumption")
  func training() throws {
    try folder.write("t.csv", table(500))
    let options =
      ["train", "t.csv"] + Self.options + [
        "--target", "plan", "--metrics", "auc,f1,log-loss", "--checkpoint-every", "7",
      ]
    for ranks in [1, 3] {
      let result = try lockstep(options + ["--run", "r\(ranks)"], ranks: ranks)
      #expect(result.status == 0, "\(result.standardError)")
      let line = #/epoch 4, step 40: held-out loss .*, accuracy .* %, AUC 0\..*, F1 .*, log loss /#
      #expect(result.standardError.contains(line), "\(result.standardError)")
      #expect(result.standardError.contains("held-out AUC"))
    }
    let files = ["metrics.jsonl", "evaluation.json", "config.yaml"]
    for name in files {
      #expect(try folder.bytes(of: "r1/\(name)") == folder.bytes(of: "r3/\(name)"), "\(name)")
    }
    // A run that was cut off in its second epoch, and continues on other ranks.
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.file("r3/checkpoints"))
    where name > "step-000000014.safetensors" && name != "latest" {
      try folder.remove("r3/checkpoints/\(name)")
    }
    try folder.remove("r3/evaluation.json")
    let resumed = try lockstep(options + ["--run", "r3", "--resume"], ranks: 2)
    #expect(resumed.status == 0, "\(resumed.standardError)")
    for name in files {
      #expect(try folder.bytes(of: "r1/\(name)") == folder.bytes(of: "r3/\(name)"), "\(name)")
    }
    let evaluations = try folder.text(of: "r1/metrics.jsonl").split(separator: "\n").filter {
      $0.contains("test_loss")
    }
    #expect(evaluations.count == 4)
    let last = try lockstep.object(String(evaluations[3]))
    let summary = try lockstep.object(try folder.text(of: "r1/summary.json"))
    let record = try lockstep.object(try folder.text(of: "r1/evaluation.json"))
    for name in ["auc", "f1", "log_loss"] {
      let value = try #require(last["test_\(name)"] as? Double)
      #expect(summary["test_\(name)"] as? Double == value, "\(name)")
      #expect(record[name] as? Double == value, "\(name)")
    }
    let curves = try #require(record["roc_curves"] as? [[String: Any]])
    #expect(curves.count == 3 && record["step"] as? Int == 40)
    #expect(curves.allSatisfy { ($0["false_positive_rate"] as? [Double])?.count ?? 0 <= 200 })
  }

  @Test("Without --metrics the log is as ever, and evaluation.json is written all the same")
  func plain() throws {
    try folder.write("t.csv", table(300))
    try lockstep.train("t.csv", Self.options + ["--target", "price"])
    let lines = try folder.text(of: "r/metrics.jsonl").split(separator: "\n")
    let last = try lockstep.object(String(try #require(lines.last)))
    #expect(
      last.keys.sorted() == [
        "epoch", "step", "test_loss", "test_mae", "test_mse", "test_r2", "test_rmse",
      ])
    let record = try lockstep.object(try folder.text(of: "r/evaluation.json"))
    let (rmse, logged) = (record["rmse"] as? Double ?? .nan, last["test_rmse"] as? Double ?? .nan)
    #expect(abs(rmse - logged) < 1e-9 * logged)
    #expect(record["roc_curves"] == nil && record["rows"] as? Int == 60)
  }

  @Test("Independent targets of 0 and 1 have metrics each, and means over them")
  func multilabel() throws {
    var random = RandomRows(seed: 9)
    let rows = (0..<400).map { _ in
      let (a, b) = (random.normal(), random.normal())
      return String(
        format: "%.3f,%.3f,%d,%d\n", a, b, a + b > 0 ? 1 : 0, random.fraction() < 0.3 ? 1 : 0)
    }
    try folder.write("t.csv", "a,b,late,lost\n" + rows.joined())
    let options = [
      "--target", "late,lost", "--loss", "binary-cross-entropy", "--metrics", "auc", "--slices",
      "4", "--epochs", "6", "--layers", "8", "--learning-rate", "0.02", "--batch", "40",
    ]
    let summary = try lockstep.train("t.csv", options)
    #expect(summary["test_auc"] > 0.6)
    let object = try lockstep.object(try print(["evaluate", "r", "t.csv", "--json"], ranks: 3))
    let targets = try #require(object["targets"] as? [[String: Any]])
    let areas = targets.compactMap { $0["auc"] as? Double }
    #expect(areas.count == 2 && areas[0] > 0.95 && areas[1] < 0.8, "\(areas)")
    let mean = try #require(object["auc"] as? Double)
    #expect(abs(mean - (areas[0] + areas[1]) / 2) < 1e-15)
    #expect(try print(["evaluate", "r", "t.csv"]).contains("rows of 1"))
    let refused = try lockstep.refusal(
      [
        "train", "t.csv", "--target", "late,lost", "--loss", "binary-cross-entropy", "--metrics",
        "rmse",
      ], status: 64)
    #expect(refused.contains("--metrics rmse: is for numbers, and the target is classes"))
  }

  @Test("Metrics and columns that can't be had are refused in one line, before training")
  func refusals() throws {
    try folder.write("t.csv", table(1200))
    let train = ["train", "t.csv", "--ignore", "id", "--run", "x", "--target"]
    let wrong = [
      (train + ["plan", "--metrics", "auc,aucc"], "--metrics auc,aucc: must be a list"),
      (train + ["plan", "--metrics", "rmse"], "--metrics rmse: is for numbers"),
      (train + ["price", "--metrics", "auc"], "--metrics auc: is for classes"),
      (
        train + ["plan", "--loss", "mse", "--metrics", "brier"],
        "--metrics brier: requires probabilities: use --loss cross-entropy"
      ),
      (
        train + ["plan", "--validation-split", "0", "--metrics", "f1"],
        "--metrics f1: requires held-out rows"
      ),
    ]
    for (arguments, message) in wrong {
      #expect(try lockstep.refusal(arguments, status: 64).contains(message), "\(message)")
    }
    #expect(!FileManager.default.fileExists(atPath: folder.file("x")))
    try lockstep.train("t.csv", Self.options + ["--target", "plan"])
    let evaluate = ["evaluate", "r", "t.csv", "--by"]
    let column = try lockstep.refusal(evaluate + ["zone"], status: 64)
    #expect(column.contains("--by zone: no such column in t.csv; it has id, region"), "\(column)")
    let many = try lockstep.refusal(evaluate + ["id"], status: 64)
    #expect(many.contains("--by id: t.csv has more than 1000 different values"), "\(many)")
    let arrays = try lockstep.refusal(
      ["evaluate", "r", "synthetic:50x2x3", "--by", "a"], status: 64)
    #expect(arrays.contains("--by a: only the columns of a table can be named"), "\(arrays)")
  }
}
