// SPDX-License-Identifier: Apache-2.0
import Foundation
import RunRecords
import Testing

@Suite("Trace files")
struct TraceFileTests {
  let file: TemporaryFile
  let tracks = [
    TraceTrack(
      rank: 0, host: "node1",
      events: [
        TraceEvent(name: "loss", step: 7, start: 100.000_25, end: 100.000_5),
        TraceEvent(name: "step", step: 7, start: 100, end: 100.001),
      ]),
    TraceTrack(
      rank: 1, host: "no\"de2",
      events: [TraceEvent(name: "step", step: 7, start: 100.000_000_001, end: 100.002)], dropped: 3),
  ]

  init() throws { file = try TemporaryFile() }

  @Test("A trace names hosts and ranks, starts at 0, and has outer spans before inner ones")
  func bytes() throws {
    try TraceFile.write(tracks, to: file.path)
    #expect(
      try file.text == #"""
        {"displayTimeUnit":"ms","traceEvents":[
        {"name":"process_name","ph":"M","pid":0,"tid":0,"args":{"name":"node1"}},
        {"name":"thread_name","ph":"M","pid":0,"tid":0,"args":{"name":"rank 0"}},
        {"name":"step","ph":"X","pid":0,"tid":0,"ts":0.0,"dur":1000.0,"args":{"step":7}},
        {"name":"loss","ph":"X","pid":0,"tid":0,"ts":250.0,"dur":250.0,"args":{"step":7}},
        {"name":"process_name","ph":"M","pid":1,"tid":1,"args":{"name":"no\"de2"}},
        {"name":"thread_name","ph":"M","pid":1,"tid":1,"args":{"name":"rank 1 (3 spans missing)"}},
        {"name":"step","ph":"X","pid":1,"tid":1,"ts":0.001,"dur":1999.999,"args":{"step":7}}
        ]}

        """#)
    #expect(try FileManager.default.contentsOfDirectory(atPath: file.folder) == ["log.jsonl"])
  }

  @Test("A trace shows an asynchronous span as a pair of begin and end events")
  func underway() throws {
    let events = [
      TraceEvent(name: "step", step: 7, start: 2, end: 2.001),
      TraceEvent(name: "bucket 1", step: 7, start: 2.0005, end: 2.002, isAsynchronous: true),
    ]
    try TraceFile.write([TraceTrack(rank: 3, host: "a", events: events)], to: file.path)
    let pair = try file.text.split(separator: "\n").suffix(3).dropLast()
    #expect(
      pair.map(String.init) == [
        #"{"name":"bucket 1","ph":"b","pid":0,"tid":3,"ts":500.0,"cat":"rank 3","id":"3:7:bucket 1","args":{"step":7}},"#,
        #"{"name":"bucket 1","ph":"e","pid":0,"tid":3,"ts":2000.0,"cat":"rank 3","id":"3:7:bucket 1","args":{"step":7}}"#,
      ])
  }

  @Test("A trace without events is valid JSON")
  func empty() throws {
    for tracks in [[], [TraceTrack(rank: 0, host: "a", events: [])]] {
      try TraceFile.write(tracks, to: file.path)
      _ = try JSONSerialization.jsonObject(with: Data(try file.text.utf8))
    }
  }

  @Test("A trace that can't be written throws an error with the reason")
  func failure() {
    let path = file.folder + "/none/trace.json"
    #expect(
      throws: RunRecordError.writeFailed(path: path, reason: "No such file or directory")
    ) { try TraceFile.write(tracks, to: path) }
  }
}
