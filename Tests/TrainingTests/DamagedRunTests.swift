// SPDX-License-Identifier: Apache-2.0
import Failures
import Foundation
import Reports
import RunRecords
import Testing
import Training

@Suite("Reports on damaged and unfinished runs")
struct DamagedRunTests {
  let folder: RecordedFolder
  let path: String

  init() throws {
    folder = try RecordedFolder()
    path = try folder.write(RecordedFolder.Run())
  }

  @Test(
    "A report says which files are missing, and shows the rest",
    arguments: [
      ("summary.json", "the outcome is"), ("timing.jsonl", "times are"),
      ("metrics.jsonl", "losses are"), ("config.yaml", "options are"),
    ])
  func missing(file: String, what: String) throws {
    try folder.remove("run", file)
    let report = try RunReport([path])
    #expect(report.text.contains("run has no \(file), so \(what) not shown."))
    #expect(report.page.html.contains("node1") || file == "timing.jsonl")
    #expect(try !report.json().isEmpty)
  }

  @Test("A directory that is not a run, and one that doesn't exist, have status 66")
  func none() throws {
    for name in ["", "/nowhere"] {
      let error = #expect(throws: RunRecordError.self) { try RunReport([folder.folder + name]) }
      #expect(error?.exitStatus.rawValue == 66)
      #expect(error?.description.contains("not a run directory; name one that lockstep") == true)
    }
  }

  static let start = #"{"ranks":1,"hosts":["a"],"slices":1}"#
  static let phases = #""phases":{"compute":1,"wait":0,"exchange":0,"update":0}}"#

  @Test(
    "A damaged file is reported in one line with its name, and has status 65",
    arguments: [
      ("metrics.jsonl", "{\"step\":1,\"epoch\":1}\nnonsense\n", "metrics.jsonl, line 2: damaged"),
      ("metrics.jsonl", #"{"step":9e18,"epoch":1,"loss":1}"# + "\n", "line 1: damaged"),
      ("metrics.jsonl", "{\"step\":-4,\"epoch\":1,\"loss\":1}\n", "line 1: damaged"),
      ("metrics.jsonl", "\u{0}\u{0}\n", "line 1: damaged"),
      ("timing.jsonl", "\n", "timing.jsonl, line 1: damaged"),
      ("timing.jsonl", #"{"ranks":2,"hosts":["a"],"slices":1}"# + "\n", "line 1: damaged"),
      ("timing.jsonl", #"{"ranks":0,"hosts":[],"slices":1}"# + "\n", "line 1: damaged"),
      (
        "timing.jsonl", #"{"ranks":1,"hosts":["a"],"slices":1,"cores":[0],"parties":1}"# + "\n",
        "line 1: damaged"
      ),
      (
        "timing.jsonl", start + "\n" + #"{"step":0,"seconds":1,"# + phases + "\n",
        "line 2: damaged"
      ),
      (
        "timing.jsonl", start + "\n" + #"{"step":1,"seconds":-1,"# + phases + "\n",
        "line 2: damaged"
      ),
      (
        "timing.jsonl",
        start + "\n" + #"{"step":5,"seconds":1,"# + phases + "\n" + #"{"step":4,"seconds":1,"#
          + phases + "\n", "steps decrease"
      ),
      ("summary.json", "{\"ranks\":1}", "summary.json: damaged; restore the file"),
      ("summary.json", "", "summary.json: damaged"),
      ("config.yaml", "no-such-option: 1\n", "config.yaml, line 1: unknown option no-such-option"),
    ])
  func damage(file: String, text: String, words: String) throws {
    try folder.place("run", file, text)
    let error = #expect(throws: RunRecordError.self) {
      try RunReport([path]) { content, path in
        var options = TrainingOptions()
        try options.read(configuration: content, path: path)
        return content
      }
    }
    #expect(error?.exitStatus.rawValue == 65)
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    #expect(error?.description.contains("\n") == false)
  }

  @Test("Extreme and missing numbers are shown without a crash")
  func extremes() throws {
    let greatest = "\(Int.max)"
    try folder.place(
      "run", "summary.json",
      #"{"ranks":\#(greatest),"slices":\#(greatest),"steps":1099511627776,"epochs":\#(greatest),"#
        + #""final_loss":1e308,"seconds":1e-300,"traffic":{"exchange":\#(greatest),"#
        + #""statistics":\#(Int.min),"shared":0},"parameters":\#(greatest),"version":"","#
        + #""completed":false}"#)
    try folder.place(
      "run", "metrics.jsonl",
      #"{"step":1099511627776,"epoch":\#(greatest),"loss":null}"# + "\n"
        + #"{"step":1099511627776,"epoch":1,"loss":1e308}"# + "\n"
        + #"{"step":1,"epoch":1,"test_loss":-1e308,"test_accuracy":5}"# + "\n")
    try folder.place(
      "run", "timing.jsonl",
      Self.start + "\n" + #"{"step":1,"seconds":1e-320,"samples_per_second":null,"# + Self.phases
        + "\n" + #"{"step":1099511627776,"seconds":1e308,"samples_per_second":1e308,"#
        + Self.phases + "\n")
    var other = RecordedFolder.Run()
    (other.name, other.ranks, other.hosts, other.machines) = ("two", 2, ["a", "b"], [0, 1])
    let report = try RunReport([path, folder.write(other)])
    #expect(report.page.html.hasSuffix("</html>\n"))
    #expect(try report.json().hasSuffix("}\n"))
    #expect(report.text.contains("was interrupted after step 1099511627776."))
  }

  @Test("An incomplete last line of a log is left out of a report")
  func cutLine() throws {
    let whole = try RunReport([path]).page.html
    for file in ["metrics.jsonl", "timing.jsonl"] {
      let text = try String(contentsOfFile: "\(path)/\(file)", encoding: .utf8)
      try folder.place("run", file, text + "{\"step\":12,\"ep")
    }
    #expect(try RunReport([path]).page.html == whole)
  }

  @Test("A resumed run is measured from its last start")
  func resumed() throws {
    let first = try String(contentsOfFile: "\(path)/timing.jsonl", encoding: .utf8)
    try folder.place(
      "run", "timing.jsonl",
      first + #"{"ranks":1,"hosts":["node1"],"slices":4,"resumed_from":6}"# + "\n"
        + #"{"step":11,"seconds":10,"samples_per_second":16,"# + Self.phases + "\n")
    let text = try RunReport([path]).json()
    // Five steps in ten seconds; the only interval is the one of the start.
    #expect(text.contains("\"step_seconds\" : {\n        \"greatest\" : 2,"))
    #expect(try RunReport([path]).text.contains("was started 2 times; its times and traffic are"))
  }
}
