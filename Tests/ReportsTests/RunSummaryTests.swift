// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralCore
import Reports
import RunRecords
import Testing

@Suite("Run summaries")
struct RunSummaryTests {
  let file: TemporaryFile
  let full = RunSummary(
    ranks: 2, slices: 4, steps: 1234, epochs: 10, finalLoss: 0.0625, testLoss: 0.125,
    testAccuracy: 0.971, digest: "00112233445566778899aabbccddeeff", samplesPerSecond: 12345.5,
    seconds: 83.25, parameters: 235_146, version: "1.0", completed: true)
  let bare = RunSummary(
    ranks: 1, slices: 1, steps: 0, epochs: 1, finalLoss: .nan, seconds: nil, parameters: 3,
    version: "1.0", completed: false)

  init() throws {
    file = try TemporaryFile()
  }

  @Test("summary.json has every key in a fixed order, with null for unknown values")
  func json() throws {
    #expect(
      full.json == """
        {
          "ranks": 2,
          "slices": 4,
          "steps": 1234,
          "epochs": 10,
          "final_loss": 0.0625,
          "test_loss": 0.125,
          "test_accuracy": 0.971,
          "digest": "00112233445566778899aabbccddeeff",
          "samples_per_second": 12345.5,
          "seconds": 83.25,
          "parameters": 235146,
          "version": "1.0",
          "completed": true
        }

        """)
    #expect(
      bare.line == #"{"ranks":1,"slices":1,"steps":0,"epochs":1,"final_loss":null,"#
        + #""test_loss":null,"test_accuracy":null,"digest":null,"samples_per_second":null,"#
        + #""seconds":null,"parameters":3,"version":"1.0","completed":false}"#)
  }

  @Test("The summary of a run that monitored a metric says so, and reads back equal")
  func monitored() throws {
    var stopped = full
    (stopped.stoppedEarly, stopped.monitor) = (true, .loss)
    (stopped.best, stopped.bestStep) = (0.1 + 0.2, 576)
    #expect(
      stopped.line.hasSuffix(
        #""completed":true,"stopped_early":true,"monitor":"loss","best":0.30000000000000004,"#
          + #""best_step":576}"#))
    try stopped.write(to: file.path)
    #expect(try RunSummary(path: file.path) == stopped)
    let text = TextTable.summary(stopped)
    #expect(text.hasPrefix("Training stopped early.\n"))
    #expect(text.contains("  best loss          0.3000 at step 576\n"))
    (stopped.stoppedEarly, stopped.best, stopped.bestStep) = (false, nil, nil)
    try stopped.write(to: file.path)
    #expect(try RunSummary(path: file.path) == stopped)
    #expect(TextTable.summary(stopped).hasPrefix("Training is complete.\n"))
  }

  @Test("A summary is written atomically and reads back equal")
  func writing() throws {
    try full.write(to: file.path)
    try full.write(to: file.path)
    #expect(try RunSummary(path: file.path) == full)
    #expect(try FileManager.default.contentsOfDirectory(atPath: file.folder) == ["log.jsonl"])
    #expect(throws: RunRecordError.self) { try full.write(to: file.folder + "/none/summary.json") }
  }

  @Test("The summary text lists the known values, aligned")
  func text() {
    #expect(
      TextTable.summary(full, files: [("model", "runs/a/latest")]) == """
        Training is complete.
          held-out accuracy  97.1 %
          held-out loss      0.1250
          training loss      0.0625
          steps              1,234 in 10 epochs
          parameters         235,146
          ranks              2 (4 slices)
          time               1:23
          samples/s          12,346
          digest             00112233445566778899aabbccddeeff
          model              runs/a/latest

        """)
    #expect(
      TextTable.summary(bare) == """
        Training was interrupted.
          training loss  NaN
          steps          0 in 1 epoch
          parameters     3
          ranks          1 (1 slice)

        """)
  }

  @Test("A table of options is aligned, and control characters can't break its lines")
  func options() {
    let table = TextTable([
      (name: "batch", value: "128"), (name: "learning-rate", value: "0.001\n\u{1B}[2J"),
    ])
    #expect(table.text == "  batch          128\n  learning-rate  0.001  [2J\n")
    #expect(TextTable([(name: String, value: String)]()).text.isEmpty)
  }
}
