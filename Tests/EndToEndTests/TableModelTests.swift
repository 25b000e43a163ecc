// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import NeuralCore
import TestSupport
import Testing

@Suite("Models of tables")
struct TableModelTests {
  let lockstep: TableCases
  let folder: TemporaryFolder

  init() throws {
    lockstep = try TableCases()
    folder = lockstep.folder
  }

  /// Categories, missing cells and a target that is standardized.
  private func mixed(_ rows: Int, seed: UInt64 = 1) -> String {
    var random = RandomRows(seed: seed)
    var text = "id,size,color,\"shape, kind\",weight,price\n"
    for row in 0..<rows {
      let (size, weight, color) = (random.normal(), random.normal(), random.below(4))
      let cells = [
        random.below(15) == 0 ? "NA" : String(format: "%.4f", 10 + 3 * size),
        random.below(20) == 0 ? "" : ["red", "green", "blue", "\"dark, blue\""][color],
        "s\(random.below(random.below(30) + 1))", String(format: "%.3e", 1e5 * weight),
      ]
      let price = 200_000 + 50_000 * (size - 0.5 * weight + Double(color) / 2)
      text += "row \(row)," + cells.joined(separator: ",") + String(format: ",%.2f\n", price)
    }
    return text
  }

  static let options = [
    "--ignore", "id", "--slices", "4", "--epochs", "4", "--batch", "50", "--layers", "16",
    "--max-levels", "12", "--learning-rate", "0.02", "--log-every", "1", "--checkpoint-every", "9",
    "--seed", "3",
  ]

  @Test(
    "A table with categories, missing cells and a scaled target gives the same bits on 1 to 4 ranks"
  )
  func ranks() throws {
    try folder.write("t.csv", mixed(500))
    for ranks in 1...4 {
      try lockstep.train("t.csv", Self.options, run: "r\(ranks)", ranks: ranks)
    }
    let last = try folder.text(of: "r1/checkpoints/latest").trimmingCharacters(in: .newlines)
    for name in ["metrics.jsonl", "config.yaml", "checkpoints/\(last)"] {
      let first = try folder.bytes(of: "r1/\(name)")
      for ranks in 2...4 {
        let isSame = try folder.bytes(of: "r\(ranks)/\(name)") == first
        #expect(isSame, "\(ranks) ranks: \(name)")
      }
    }
    let figures = try (1...4).map {
      try lockstep.evaluate("t.csv", ["--slices", "4"], run: "r1", ranks: $0)
    }
    #expect(figures.allSatisfy { $0.numbers == figures[0].numbers })
    #expect(figures[0]["r2"] > 0.3 && figures[0]["rmse"] > 1000, "\(figures[0].numbers)")
  }

  @Test("A run on a table that is resumed on other ranks ends with the bits of a whole one")
  func resume() throws {
    try folder.write("t.csv", mixed(500))
    try lockstep.train("t.csv", Self.options, run: "whole", ranks: 1)
    try lockstep.train("t.csv", Self.options, run: "cut", ranks: 3)
    let last = try folder.text(of: "whole/checkpoints/latest").trimmingCharacters(in: .newlines)
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.file("cut/checkpoints"))
    where name > "step-000000018.safetensors" && name != "latest" {
      try folder.remove("cut/checkpoints/\(name)")
    }
    try folder.remove("cut/summary.json")
    let resumed = try lockstep(
      ["train", "t.csv"] + Self.options + ["--run", "cut", "--resume"], ranks: 2)
    #expect(resumed.status == 0, "\(resumed.standardError)")
    for name in ["metrics.jsonl", "checkpoints/\(last)"] {
      let isSame = try folder.bytes(of: "cut/\(name)") == folder.bytes(of: "whole/\(name)")
      #expect(isSame, "\(name)")
    }
    // Another table is not what the run was trained on.
    try folder.write("t.csv", mixed(500, seed: 2))
    let other = try lockstep(
      ["train", "t.csv"] + Self.options + ["--run", "cut", "--resume", "--steps", "60"])
    #expect(other.status != 0)
  }

  @Test(
    "Parts of a table that several ranks read are the rows and the schema that one rank reads",
    arguments: [false, true])
  func parts(hasLineBreaks: Bool) throws {
    let table = mixed(60_000)
    try folder.write(
      "t.csv", hasLineBreaks ? table.replacing("\"dark, blue\"", with: "\"dark,\nblue\"") : table)
    var hashes: Set<String> = []
    for ranks in [1, 2, 3] {
      let result = try lockstep(["describe", "t.csv", "--ignore", "id", "--json"], ranks: ranks)
      try #require(result.status == 0, "\(result.standardError)")
      let shown = try lockstep.object(result.standardOutput)
      #expect(shown["ranks"] as? Int == ranks)
      let texts = ["content_hash", "schema_hash"].compactMap { shown[$0] as? String }
      #expect(texts.count == 2 && texts.allSatisfy { $0.count >= 32 })
      hashes.insert(texts.joined(separator: " "))
    }
    #expect(hashes.count == 1)
  }

  @Test(
    "Predictions of standard input, of a file, with columns passed through and as .npy are the same"
  )
  func predict() throws {
    let table = mixed(3000)
    try folder.write("t.csv", table)
    try lockstep.train("t.csv", Self.options)
    let all = try lockstep.predict("t.csv", ["--columns", "id,\"shape, kind\""])
    #expect(all.count == 3001 && all[0] == "id,\"shape, kind\",predicted_price")
    #expect(all[1].hasPrefix("row 0,s") && all[3000].hasPrefix("row 2999,s"))
    let plain = try lockstep.predict("t.csv")
    #expect(
      plain.map { $0.split(separator: ",").last } == all.map { $0.split(separator: ",").last })
    let program = try productURL(named: "lockstep").path
    let input = try run(
      "bash", ["-c", "cut -d, -f2- t.csv | \"$0\" predict r -", program],
      currentDirectory: folder.path)
    #expect(input.status == 0, "\(input.standardError)")
    #expect(input.standardOutput.split(separator: "\n").map(String.init) == plain)
    for (name, ranks) in [("p.npy", 1), ("p.csv", 2)] {
      #expect(try lockstep(["predict", "r", "t.csv", "-o", name], ranks: ranks).status == 0)
    }
    #expect(try folder.text(of: "p.csv").split(separator: "\n").map(String.init) == plain)
    let array = try folder.bytes(of: "p.npy")
    let header = String(decoding: array[10..<128], as: UTF8.self)
    #expect(header.contains("'<f8'") && header.contains("(3000, 1)"), "\(header)")
    let values = array[128...].withUnsafeBytes { bytes in
      (0..<3000).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self) }
    }
    #expect(zip(values, plain.dropFirst()).allSatisfy { abs($0 - (Double($1) ?? .nan)) < 0.01 })
    let refused = try lockstep.refusal(
      ["predict", "r", "t.csv", "-o", "p.npy", "--columns", "id"], status: 64)
    #expect(refused.contains("--columns: an .npy file has no room for them"), "\(refused)")
    #expect(try lockstep(["predict", "r", "t.csv", "--columns", "nothing"]).status == 64)
  }

  @Test("A checkpoint whose schema was changed is refused with status 65")
  func damagedSchema() throws {
    try folder.write("t.csv", mixed(200))
    try lockstep.train("t.csv", Self.options)
    let latest = try folder.text(of: "r/checkpoints/latest").trimmingCharacters(in: .newlines)
    let intact = try folder.bytes(of: "r/checkpoints/\(latest)")
    let length = intact[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = String(decoding: intact[8..<8 + length], as: UTF8.self)
    #expect(header.contains(#"\"target_columns\":[5]"#), "\(header)")
    for (good, bad) in [
      // Nothing but the checksum is written anew: the file is accepted.
      ("", ""),
      (#"\"target_columns\":[5]"#, #"\"target_columns\":[4]"#),
      (#"\"target_columns\":[5]"#, #"\"target_columns\":[]"#),
      (#"\"has_header\":true"#, #"\"has_header\":3"#),
      (#"\"separator\":\"comma\""#, #"\"separator\":\"colon\""#),
      (#"\"missing\":\"mean\""#, #"\"missing\":null"#),
      (#"\"rare\":["#, #"\"rare\":[\"more\","#), (#"\"levels\":["#, #"\"levels\":[\"more\","#),
      (#"\"deviation\":"#, #"\"deviation\":-"#),
    ] {
      let place = try #require(
        good.isEmpty ? header.startIndex..<header.startIndex : header.firstRange(of: good),
        "\(good)")
      let text = header.replacingCharacters(in: place, with: bad)
      try folder.write("bad.safetensors", try signed(text) + intact[(8 + length)...])
      for command in [["evaluate"], ["predict"]] {
        let result = try lockstep(command + ["bad.safetensors", "t.csv"], ranks: 1)
        if good.isEmpty {
          #expect(result.status == 0, "\(result.standardError)")
        } else {
          #expect(result.status == 65, "\(bad): \(result.standardError)")
          #expect(result.standardError.contains("the description of the network is damaged"))
        }
      }
    }
  }

  /// The header of a checkpoint with its length in front and its checksum corrected.
  private func signed(_ text: String) throws -> [UInt8] {
    var header = Array(text.utf8)
    let marker = Array(#""header_checksum":""#.utf8)
    let place = try #require(header.firstRange(of: marker)).upperBound
    header.replaceSubrange(place..<place + 32, with: repeatElement(0x30, count: 32))
    let size = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
    let hash = (size + header).withUnsafeBytes { ContentHash(of: $0) }
    header.replaceSubrange(place..<place + 32, with: hash.description.utf8)
    return size + header
  }

  @Test("Iris reaches 90 % and the breast cancer table 95 % of held-out rows with all defaults")
  func realTables() throws {
    for (name, accuracy) in [("iris", 0.9), ("breast_cancer", 0.95)] {
      let table = packagePath("Tests/EndToEndTests/Resources/\(name).csv")
      let summary = try lockstep.train(table)
      #expect(summary["test_accuracy"] >= accuracy, "\(name): \(summary.numbers)")
    }
  }
}
