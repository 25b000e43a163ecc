// SPDX-License-Identifier: Apache-2.0
import Foundation
import RunRecords
import Testing

@Suite("JSON lines logs")
struct JSONLinesLogTests {
  let file: TemporaryFile

  init() throws {
    file = try TemporaryFile()
  }

  private func step(_ step: Int, loss: Double = 0.5) -> MetricsRecord {
    .step(step: step, epoch: 0, loss: loss, learningRate: 0.1)
  }

  private func lines(_ steps: [Int]) -> String {
    steps.map { step($0).line + "\n" }.joined()
  }

  private func append(_ steps: [Int], _ mode: JSONLinesLog.Mode) throws {
    let log = try JSONLinesLog(path: file.path, mode: mode)
    for number in steps { try log.append(step(number)) }
    try log.close()
    try log.close()
  }

  @Test("Records are in the file as soon as they are appended")
  func appending() throws {
    let log = try JSONLinesLog(path: file.path, mode: .truncate)
    try log.append(step(1))
    #expect(try file.text == lines([1]))
    try log.append(step(2))
    try log.synchronize()
    #expect(try file.text == lines([1, 2]))
  }

  @Test("A log is continued or emptied when it is opened")
  func modes() throws {
    try append([1, 2], .append)
    try append([3], .append)
    #expect(try file.text == lines([1, 2, 3]))
    try append([4], .truncate)
    #expect(try file.text == lines([4]))
  }

  @Test("Truncating a log keeps the records up to a step", arguments: [-1, 0, 1, 5, 6, 99])
  func cutting(step: Int) throws {
    try append([0, 1, 1, 5, 5, 6, 7], .truncate)
    try JSONLinesLog.truncate(file.path, afterStep: step)
    #expect(try file.text == lines([0, 1, 1, 5, 5, 6, 7].filter { $0 <= step }))
    #expect(try FileManager.default.contentsOfDirectory(atPath: file.folder) == ["log.jsonl"])
  }

  @Test("A truncated log that is continued equals the log of an uninterrupted run")
  func resumed() throws {
    try append(Array(1...5000), .truncate)
    let whole = try file.text
    try JSONLinesLog.truncate(file.path, afterStep: 3210)
    try append(Array(3211...5000), .append)
    #expect(try file.text == whole)
  }

  @Test("Truncating a log keeps records without a step, and removes an incomplete last line")
  func specialLines() throws {
    let start = TimingRecord.start(
      startTime: "now", ranks: 1, hosts: ["a"], slices: 1, version: "1"
    ).line
    let interval = TimingRecord.interval(
      step: 2, epoch: 0, seconds: 1, samplesPerSecond: 1, phases: PhaseSeconds()
    ).line
    try file.place("\(start)\n\(interval)\n\(start)\n{\"step\":1,\"ep")
    try JSONLinesLog.truncate(file.path, afterStep: 2)
    #expect(try file.text == "\(start)\n\(interval)\n\(start)\n")
    try JSONLinesLog.truncate(file.path, afterStep: 1)
    #expect(try file.text == "\(start)\n\(start)\n")
  }

  @Test(
    "Truncating a log with an invalid line reports the line, and leaves the file unchanged",
    arguments: ["", "\0\0\0\0", "{", #"{"step":x,"epoch":0}"#, #"{"step":"#, "[1]", "{\"step\":1"])
  func damagedLines(line: String) throws {
    try file.place(lines([1]) + line + "\n" + lines([2]))
    let before = try file.text
    #expect(throws: RunRecordError.malformedRecord(path: file.path, line: 2)) {
      try JSONLinesLog.truncate(file.path, afterStep: 1)
    }
    #expect(try file.text == before)
    #expect(try FileManager.default.contentsOfDirectory(atPath: file.folder) == ["log.jsonl"])
  }

  @Test("A full disk is reported as such")
  func fullDisk() throws {
    let log = try JSONLinesLog(path: "/dev/full", mode: .append)
    let error = #expect(throws: RunRecordError.self) { try log.append(step(1)) }
    #expect(error == .writeFailed(path: "/dev/full", reason: "No space left on device"))
  }

  @Test("Opening or truncating a log in a missing directory is an error")
  func missingFolder() throws {
    let path = file.folder + "/none/log"
    #expect(throws: RunRecordError.self) { try JSONLinesLog(path: path, mode: .append) }
    #expect(throws: RunRecordError.self) { try JSONLinesLog.truncate(path, afterStep: 1) }
    let missing = file.folder + "/none"
    let error = #expect(throws: RunRecordError.self) {
      try JSONLinesLog.truncate(missing, afterStep: 1)
    }
    #expect(error?.description == "reading '\(missing)' failed: No such file or directory")
    #expect(try FileManager.default.contentsOfDirectory(atPath: file.folder).isEmpty)
  }
}
