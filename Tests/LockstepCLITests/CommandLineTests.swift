// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// Runs the program in a fresh folder.
final class Program {
  let folder = NSTemporaryDirectory() + "lockstep-cli-" + UUID().uuidString

  init() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  func callAsFunction(ranks: Int? = nil, _ arguments: String...) throws -> CommandResult {
    let binary = try productURL(named: "lockstep").path
    guard let ranks else {
      return try run(binary, arguments, currentDirectory: folder, timeout: 300)
    }
    return try mpirun(
      ranks: ranks, binary, arguments, options: ["--quiet"], currentDirectory: folder, timeout: 300)
  }

  func write(_ name: String, _ text: String) throws {
    try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
  }

  var files: [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: folder).sorted()) ?? []
  }
}

@Suite("The command line")
struct CommandLineTests {
  let lockstep: Program

  init() throws { lockstep = try Program() }

  @Test(
    "Every command prints its help",
    arguments: [
      "train", "evaluate", "predict", "describe", "inspect", "compare", "report", "bench", "doctor",
      "plan",
    ])
  func help(command: String) throws {
    let result = try lockstep(command, "--help")
    #expect(result.status == 0)
    #expect(result.standardOutput.contains("USAGE: lockstep \(command)"))
    #expect(try lockstep("--version").standardOutput == "0.1.0\n")
  }

  @Test("The commands train, evaluate, predict and inspect work on the same model")
  func roundTrip() throws {
    let train = try lockstep(
      "train", "digits", "--epochs", "8", "--run", "r", "--quiet", "--json", "--layers", "64",
      "--learning-rate", "0.005")
    #expect(train.status == 0 && train.standardError.isEmpty)
    let summary = try Self.object(train.standardOutput)
    #expect((summary["test_accuracy"] as? Double ?? 0) > 0.95)
    let evaluate = try lockstep("evaluate", "r", "digits", "--json")
    #expect(try Self.object(evaluate.standardOutput)["rows"] as? Int == 1797)
    #expect(try Self.object(evaluate.standardOutput)["accuracy"] as? Double ?? 0 > 0.95)
    let predict = try lockstep("predict", "r", "digits", "-o", "p.csv")
    #expect(predict.status == 0)
    let lines = try String(contentsOfFile: "\(lockstep.folder)/p.csv", encoding: .utf8)
      .split(separator: "\n")
    #expect(lines.count == 1798 && lines[0].hasPrefix("class,p_0,p_1"))
    let sums = lines.dropFirst().map { line in
      line.split(separator: ",").dropFirst().reduce(0.0) { $0 + (Double($1) ?? .nan) }
    }
    #expect(!sums.contains { abs($0 - 1) > 1e-5 })
    #expect(try lockstep("predict", "r", "digits", "-o", "p.npy").status == 0)
    let inspect = try Self.object(try lockstep("inspect", "r", "--json").standardOutput)
    #expect(inspect["digest"] as? String == summary["digest"] as? String)
    #expect(inspect["step"] as? Int == 96)
  }

  static func object(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  @Test("A model trained on a table predicts rows with and without the target column")
  func table() throws {
    let rows = (0..<80).map { "\($0 % 9),\(80 - $0),\($0 % 9 > 4 ? "high" : "low")" }
    try lockstep.write("t.csv", "a,b,kind\n" + rows.joined(separator: "\n") + "\n")
    #expect(
      try lockstep(
        "train", "t.csv", "--run", "r", "--epochs", "60", "--layers", "8", "--learning-rate", "0.02"
      ).status == 0)
    try lockstep.write("new.csv", "a,b\n1,70\n8,3\n")
    let new = try lockstep("predict", "r", "new.csv")
    #expect(new.status == 0)
    let classes = new.standardOutput.split(separator: "\n").map { $0.split(separator: ",")[0] }
    #expect(classes == ["class", "low", "high"])
    #expect(
      try lockstep("predict", "r", "t.csv").standardOutput.split(separator: "\n").count == 81)
    try lockstep.write("other.csv", "a,b,kind\n1,2,middle\n3,4,low\n")
    let other = try lockstep("evaluate", "r", "other.csv")
    #expect(other.status == 65)
    #expect(
      other.standardError.contains(
        "kind: 1 cell with a label (first \"middle\" in line 2) that is none of the classes high, low"
      ))
  }

  @Test(
    "Every mistake ends in one line and its exit status without a run directory, on 1 and 2 ranks",
    arguments: [
      (
        ["train", "digits", "--frobnicate"], Int32(64),
        "lockstep: unknown option --frobnicate; see lockstep train --help\n"
      ),
      (["train"], 64, "Missing expected argument '<data>'"),
      (["train", "digits", "--batch", "zero"], 64, "--batch zero: must be an integer"),
      (
        ["train", "digits", "--batc", "8"], 64,
        "lockstep: unknown option --batc; did you mean --batch?\n"
      ),
      (
        ["train", "--lr", "0.1", "digits"], 64, "unknown option --lr; did you mean --learning-rate?"
      ),
      (
        ["train", "digits", "--amp"], 64,
        "lockstep: unknown option --amp; mixed precision is not supported yet\n"
      ),
      (["train", "--config", "lr.yaml"], 78, "lr.yaml, line 2: unknown option LR; did you mean"),
      (["train", "digits", "--batch"], 64, "Missing value for '--batch <batch>'"),
      (["train", "digits", "--drop-last=3"], 64, "'--drop-last' does not take any value"),
      (
        ["train", "digits", "--loss", "hinge"], 64,
        "--loss hinge: must be one of cross-entropy, mse, mae, huber, poisson, quantile, binary"
      ),
      (["train", "digits", "--epochs", "1", "--steps", "1"], 64, "are mutually exclusive"),
      (["train", "digits", "--resume"], 64, "--resume: requires --run"),
      (["bench", "--bucket-mb=0"], 64, "--bucket-mb 0: must be above 0 and at most 1024"),
      (["train", "digits", "--batch", "0"], 64, "--batch 0: must be from 1 to 1073741824"),
      (["train", "digits", "--learning-rate", "nan"], 64, "--learning-rate nan"),
      (
        ["train", "digits", "--layers", "8,x"], 64,
        "--layers 8,x: must be widths such as 256,128"
      ),
      (["train", "--config", "wrong.yaml"], 78, "wrong.yaml, line 2: unknown option batsh"),
      (
        ["train", "--config", "type.yaml"], 78, "type.yaml, line 1: batch: expected an integer"
      ),
      (["train", "digits", "--config", "none.yaml"], 66, "none.yaml: No such file or directory"),
      (["train", "digits", "--config", "/"], 78, "/: not a file"),
      (["train", "--config", "nodata.yaml"], 64, "no data: name digits"),
      (["train", "no.csv"], 66, "no.csv: no such file"),
      (["train", "nowhere"], 66, "nowhere: no such file or folder"),
      (
        ["train", "ragged.csv"], 65, "ragged.csv, line 3: 2 fields separated by comma, expected 3"
      ),
      (
        ["train", "text.csv"], 65,
        "text.csv: b: 1 cell without a number (first \"foo\" in line 62): correct them"
      ),
      (
        ["train", "nan.csv", "--missing", "refuse"], 65,
        "nan.csv: b: 1 missing (first in line 3): --missing refuse takes no missing cells"
      ),
      (["train", "one.csv"], 65, "one.csv: all rows are of one class, x"),
      (["train", "none.csv"], 65, "none.csv: it has a header but no rows"),
      (["train", "cut.csv.gz"], 65, "cut.csv.gz: truncated gzip file"),
      (["train", "digits", "--run", "/proc/no/such"], 73, "/proc/no/such: can't be created"),
      (["evaluate", "ragged.csv", "digits"], 65, "ragged.csv"),
      (["evaluate", "nothing", "digits"], 66, "nothing"),
      (["inspect", "nothing"], 66, "nothing"),
      (["predict", "nothing", "digits"], 66, "nothing"),
    ])
  func mistakes(arguments: [String], status: Int32, message: String) throws {
    try lockstep.write("ragged.csv", "a,b,c\n1,2,x\n3,4\n")
    try lockstep.write(
      "text.csv", "a,b,c\n" + (0..<60).map { "1,\($0),x\n" }.joined() + "3,foo,y\n")
    try lockstep.write("nan.csv", "a,b,c\n1,2,x\n3,nan,y\n")
    try lockstep.write("one.csv", "a,b,c\n1,2,x\n3,4,x\n")
    try lockstep.write("none.csv", "a,b,c\n")
    try Data([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b]).write(
      to: URL(fileURLWithPath: "\(lockstep.folder)/cut.csv.gz"))
    try lockstep.write("wrong.yaml", "data: digits\nbatsh: 16\n")
    try lockstep.write("lr.yaml", "\u{FEFF}data: digits\r\nLR: 0.1\r\n")
    try lockstep.write("type.yaml", "batch: many\n")
    try lockstep.write("nodata.yaml", "batch: 16\n")
    let before = lockstep.files
    let binary = try productURL(named: "lockstep").path
    let alone = try run(binary, arguments, currentDirectory: lockstep.folder, timeout: 300)
    let together = try mpirun(
      ranks: 2, binary, arguments, options: ["--quiet"], currentDirectory: lockstep.folder,
      timeout: 300)
    for result in [alone, together] {
      #expect(result.status == status, "\(result.standardError)")
      #expect(result.standardError.hasPrefix("lockstep: "))
      #expect(result.standardError.contains(message), "\(result.standardError)")
      #expect(result.standardError.split(separator: "\n").count == 1, "\(result.standardError)")
      #expect(result.standardOutput.isEmpty)
    }
    #expect(lockstep.files == before)
  }

  @Test(
    "An option of another library is refused with the option that was meant, or why there is none",
    arguments: [
      (["train", "digits", "--lr=0.1"], "--lr; did you mean --learning-rate?"),
      (["train", "digits", "-lr", "0.1"], "-lr; did you mean --learning-rate?"),
      (["train", "digits", "--batch_size", "64"], "--batch_size; did you mean --batch?"),
      (["train", "digits", "--Batch=64"], "--Batch; did you mean --batch?"),
      (["train", "digits", "--DROP_LAST"], "--DROP_LAST; did you mean --drop-last?"),
      (["train", "digits", "--no_nesterov"], "--no_nesterov; did you mean --no-nesterov?"),
      (
        ["train", "digits", "--Hidden-Layer-Sizes", "8"],
        "--Hidden-Layer-Sizes; did you mean --layers?"
      ),
      (["train", "digits", "--max_iter", "8"], "--max_iter; did you mean --steps?"),
      (["train", "digits", "--output_dir", "r"], "--output_dir; did you mean --run?"),
      (["train", "digits", "--random_state", "1"], "--random_state; did you mean --seed?"),
      (["train", "digits", "--quite"], "--quite; did you mean --quiet?"),
      (["train", "digits", "--early_stopping", "3"], "--early_stopping; did you mean --patience?"),
      (["train", "digits", "--fp16"], "--fp16; mixed precision is not supported yet"),
      (["train", "digits", "--device", "cpu"], "--device; training runs on CPUs only"),
      (
        ["train", "digits", "--n_jobs", "4"],
        "--n_jobs; the launcher sets the number of ranks: launch/run -n N"
      ),
      (
        ["train", "digits", "-n", "4"], "-n; the launcher sets the number of ranks: launch/run -n N"
      ),
      (["train", "digits", "--xyz"], "--xyz; see lockstep train --help"),
      (["bench", "--batch_size", "64"], "--batch_size; did you mean --batch?"),
      (["bench", "--lr", "0.1"], "--lr; see lockstep bench --help"),
      (["evaluate", "r", "digits", "--label", "y"], "--label; did you mean --target?"),
      (["predict", "r", "digits", "--outptu", "p"], "--outptu; did you mean --output?"),
      (["--frobnicate"], "--frobnicate; see lockstep --help"),
    ])
  func habits(arguments: [String], message: String) throws {
    let binary = try productURL(named: "lockstep").path
    let result = try run(binary, arguments, currentDirectory: lockstep.folder, timeout: 60)
    #expect(result.status == 64)
    #expect(result.standardError == "lockstep: unknown option \(message)\n")
    #expect(result.standardOutput.isEmpty && lockstep.files.isEmpty)
  }

  @Test("Words are read in any case and recorded in their canonical form")
  func words() throws {
    try lockstep.write(
      "c.yaml",
      "\u{FEFF}data: digits\r\n"
        + "loss: Cross_Entropy\r\nnesterov: Yes\r\ntrace: False\r\nmomentum: .5\r\n")
    let result = try lockstep(
      "train", "--config", "c.yaml", "--optimizer", "SGD", "--activation", "ReLU", "--exchange",
      "All_Reduce", "--steps", "1", "--layers", "4", "--run", "r", "--quiet")
    #expect(result.status == 0, "\(result.standardError)")
    let text = try String(contentsOfFile: "\(lockstep.folder)/r/config.yaml", encoding: .utf8)
    for line in [
      "loss: cross-entropy", "nesterov: true", "trace: false", "momentum: 0.5", "optimizer: sgd",
      "activation: relu", "exchange: all-reduce",
    ] { #expect(text.contains("\n\(line)\n"), "\(line) in \(text)") }
    let plan = try lockstep(
      "plan", "--step-seconds", "0.1", "--latency-us", "10", "--bandwidth-mbit", "1000",
      "--exchange-schedule", "HALVING")
    #expect(plan.status == 0, "\(plan.standardError)")
  }

  @Test("An existing run directory is left untouched")
  func existing() throws {
    #expect(try lockstep("train", "digits", "--steps", "1", "--run", "r").status == 0)
    let again = try lockstep(ranks: 2, "train", "digits", "--steps", "2", "--run", "r")
    #expect(again.status == 73)
    #expect(again.standardError.contains("r: exists already"))
    let summary = try String(contentsOfFile: "\(lockstep.folder)/r/summary.json", encoding: .utf8)
    #expect(try Self.object(summary)["steps"] as? Int == 1)
  }

  @Test("Training with the config.yaml of a run repeats it bit for bit, also on more ranks")
  func configuration() throws {
    let options = [
      "--steps", "30", "--layers", "16", "--slices", "2", "--schedule", "step", "--clip-norm", "1",
      "--learning-rate", "0.003", "--nesterov", "--optimizer", "sgd", "--momentum", "0.9",
      "--checkpoint-every", "10", "--scale-learning-rate", "64",
    ]
    let binary = try productURL(named: "lockstep").path
    let first = try run(
      binary, ["train", "digits"] + options + ["--run", "a"], currentDirectory: lockstep.folder)
    #expect(first.status == 0)
    let again = try lockstep(ranks: 2, "train", "--config", "a/config.yaml", "--run", "b")
    #expect(again.status == 0, "\(again.standardError)")
    for name in ["metrics.jsonl", "config.yaml", "checkpoints/step-000000020.safetensors"] {
      let files = try ["a", "b"].map {
        try Data(contentsOf: URL(fileURLWithPath: "\(lockstep.folder)/\($0)/\(name)"))
      }
      #expect(files[0] == files[1], "\(name)")
    }
  }

  @Test("Flags override a configuration file, in both directions, and every option has a flag")
  func flagsWin() throws {
    try lockstep.write(
      "c.yaml",
      "data: digits\nepochs: 50\nseed: 3\nlayers: [8]\noptimizer: sgd\nmomentum: 0.9\n"
        + "nesterov: true\nbatch: 64\n")
    let result = try lockstep(
      "train", "--config", "c.yaml", "--steps", "2", "--no-nesterov", "--seed", "4", "--run", "r",
      "--quiet")
    #expect(result.status == 0, "\(result.standardError)")
    let text = try String(contentsOfFile: "\(lockstep.folder)/r/config.yaml", encoding: .utf8)
    for line in [
      "epochs: null", "steps: 2", "seed: 4", "nesterov: false", "layers: [8]", "batch: 64",
      "learning-rate: 0.01", "optimizer: sgd", "data: digits",
    ] { #expect(text.contains("\n\(line)\n"), "\(line) in \(text)") }
    let help = try lockstep("train", "--help").standardOutput
    for line in text.split(separator: "\n").dropFirst() where !line.hasPrefix("data: ") {
      #expect(help.contains("--\(line.prefix { $0 != ":" })"), "\(line)")
    }
  }

  @Test("The help of train lists every option by section, with its values and its default")
  func trainHelp() throws {
    let help = try lockstep("train", "--help").standardOutput
    // The help is wrapped to the width of the terminal.
    let text = help.split { $0 == "\n" || $0 == " " }.joined(separator: " ")
    for words in [
      "NETWORK: --layers <layers>", "OPTIMIZER: --optimizer <optimizer>",
      "DATA: --target <columns>",
      "--activation <activation> Hidden-layer activation. "
        + "(values: relu, leaky-relu, elu, gelu, silu, softplus, tanh, sigmoid, identity; "
        + "default: relu)",
      "--drop-last/--no-drop-last Drop the last batch",
      "--epochs <epochs> Number of epochs. "
        + "(default: 10)", "--scale-learning-rate <batch>", "--resume [<file>]",
    ] { #expect(text.contains(words), "\(words)") }
  }

  @Test("The option --resume works with and without a checkpoint file")
  func resume() throws {
    let options = ["train", "digits", "--layers", "8", "--steps"]
    let binary = try productURL(named: "lockstep").path
    for more in [
      ["2", "--run", "r"], ["3", "--resume", "--run", "r"], ["4", "--run", "r", "--resume"],
      ["5", "--resume=newest", "--run=r"],
      ["6", "--resume", "r/checkpoints/step-000000005.safetensors", "--run", "s"],
    ] {
      let result = try run(
        binary, options + more + ["--quiet"], currentDirectory: lockstep.folder, timeout: 300)
      #expect(result.status == 0, "\(more): \(result.standardError)")
    }
    #expect(lockstep.files == ["r", "s"])
  }

  @Test("More ranks than slices are rejected")
  func slices() throws {
    let result = try lockstep(ranks: 3, "train", "digits", "--slices", "2", "--run", "r")
    #expect(result.status == 64)
    #expect(result.standardError.contains("--slices 2: fewer slices than the 3 ranks"))
    #expect(lockstep.files.isEmpty)
  }

  @Test("Progress is plain lines without control characters if there is no terminal")
  func plain() throws {
    let result = try lockstep(ranks: 2, "train", "digits", "--epochs", "2", "--run", "r")
    #expect(result.status == 0)
    #expect(result.standardError.contains("epoch 2, step 24: held-out loss"))
    #expect(result.standardError.contains("Training is complete."))
    #expect(!result.standardError.unicodeScalars.contains { $0.value < 32 && $0 != "\n" })
  }
}
