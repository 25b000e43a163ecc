// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("The command report")
struct ReportCommandTests {
  let lockstep: Program

  init() throws { lockstep = try Program() }

  func train(_ name: String, ranks: Int, _ more: String...) throws {
    let result = try mpirun(
      ranks: ranks, productURL(named: "lockstep").path,
      ["train", "digits", "--steps", "30", "--layers", "16", "--run", name, "--quiet"] + more,
      currentDirectory: lockstep.folder)
    #expect(result.status == 0, "\(result.standardError)")
  }

  @Test("lockstep report writes a page, and prints tables or JSON")
  func page() throws {
    try train("one", ranks: 1, "--slices", "2")
    try train("two", ranks: 2, "--slices", "2", "--transport", "auto")
    let tables = try lockstep("report", "one", "two")
    #expect(tables.status == 0 && tables.standardError.isEmpty)
    #expect(tables.standardOutput.contains("bitwise identical in 2 runs"))
    #expect(tables.standardOutput.contains("Scaling\nSize "))
    #expect(tables.standardOutput.hasSuffix("\nreport  report.html\n"))
    #expect(lockstep.files == ["one", "report.html", "two"])
    let numbers = try lockstep("report", "one", "two", "--json", "-o", "other.html")
    let object = try JSONSerialization.jsonObject(with: Data(numbers.standardOutput.utf8))
    let sizes = try #require((object as? [String: Any])?["sizes"] as? [[String: Any]])
    #expect(sizes.map { $0["ranks"] as? Int } == [1, 2])
    #expect(sizes.map { $0["is_identical"] as? Bool } == [true, true])
    #expect(try lockstep("report", "one", "--quiet").standardOutput.isEmpty)
    let page = try String(contentsOfFile: "\(lockstep.folder)/report.html", encoding: .utf8)
    #expect(page.contains("Training report"))
  }

  @Test("lockstep report rejects invalid runs in one line, without writing a page")
  func refusals() throws {
    try train("one", ranks: 1)
    try lockstep.write("one/timing.jsonl", "{\"ranks\":1\n")
    for (arguments, status, words) in [
      (["one"], 65, "one/timing.jsonl, line 1: damaged"),
      (["nowhere"], 66, "nowhere: not a run dir"),
      ([], 64, "Missing expected argument"), (["one", "--nope"], 64, "unknown option --nope"),
    ] {
      let result = try run(
        productURL(named: "lockstep").path, ["report"] + arguments,
        currentDirectory: lockstep.folder)
      #expect(result.status == status, "\(arguments)")
      #expect(result.standardError.contains(words), "\(result.standardError)")
      #expect(result.standardError.split(separator: "\n").count == 1)
    }
    try FileManager.default.removeItem(atPath: "\(lockstep.folder)/one/timing.jsonl")
    let options = "\(lockstep.folder)/one/config.yaml"
    let complete = try String(contentsOfFile: options, encoding: .utf8)
    try lockstep.write("one/config.yaml", "no-such-option: 1\n")
    let unknown = try lockstep("report", "one")
    #expect(unknown.status == 65)
    #expect(unknown.standardError.contains("one/config.yaml, line 1: "))
    try lockstep.write("one/config.yaml", complete)
    let result = try lockstep("report", "one", "-o", "no/folder.html")
    #expect(result.status == 73)
    #expect(result.standardError.hasPrefix("lockstep: -o no/folder.html: can't be written: No"))
    #expect(result.standardOutput.isEmpty && lockstep.files == ["one"])
  }
}
