// SPDX-License-Identifier: Apache-2.0
import Foundation
import RunRecords
import Testing

@Suite("Log records")
struct LogRecordTests {
  @Test("A step record has its fields in a fixed order, without absent ones")
  func step() {
    let full = MetricsRecord.step(
      step: 12, epoch: 1, loss: 0.1, learningRate: 1e-5, gradientNorm: 2, digest: "00ff")
    #expect(
      full.line == #"{"step":12,"epoch":1,"loss":0.1,"learning_rate":1e-05,"grad_norm":2.0,"#
        + #""digest":"00ff"}"#)
    let short = MetricsRecord.step(step: 0, epoch: 0, loss: 3, learningRate: 0.001)
    #expect(short.line == #"{"step":0,"epoch":0,"loss":3.0,"learning_rate":0.001}"#)
  }

  @Test("An evaluation record has an accuracy only with classes")
  func evaluation() {
    let classes = MetricsRecord.evaluation(
      step: 9, epoch: 3, loss: 0.25, accuracy: 0.975, digest: "ab")
    #expect(
      classes.line
        == #"{"step":9,"epoch":3,"test_loss":0.25,"test_accuracy":0.975,"digest":"ab"}"#)
    let values = MetricsRecord.evaluation(step: 9, epoch: 3, loss: 0.25)
    #expect(values.line == #"{"step":9,"epoch":3,"test_loss":0.25}"#)
  }

  @Test("Timing records have their fields in a fixed order, and text is escaped")
  func timing() {
    let start = TimingRecord.start(
      startTime: "2026-01-02T03:04:05Z", ranks: 4, hosts: ["a", "b\"\\\n\u{1}é"], slices: 8,
      version: "1.0", resumedFrom: 50)
    #expect(
      start.line
        == #"{"start_time":"2026-01-02T03:04:05Z","ranks":4,"hosts":["a","b\"\\\n\u0001é"],"#
        + #""slices":8,"version":"1.0","resumed_from":50}"#)
    let interval = TimingRecord.interval(
      step: 10, epoch: 0, seconds: 0.5, samplesPerSecond: 2560,
      phases: PhaseSeconds(compute: 0.25, wait: 0.125, exchange: 0.0625, update: 0))
    #expect(
      interval.line
        == #"{"step":10,"epoch":0,"seconds":0.5,"samples_per_second":2560.0,"phases":"#
        + #"{"compute":0.25,"wait":0.125,"exchange":0.0625,"update":0.0}}"#)
  }

  @Test("Timing records contain placement and traffic where they are known")
  func placementAndTraffic() {
    let start = TimingRecord.start(
      startTime: "now", ranks: 2, hosts: ["a", "b"], slices: 2, version: "1",
      placement: Placement(cores: [4, 8], machines: [0, 1], participants: 2))
    #expect(
      start.line
        == #"{"start_time":"now","ranks":2,"hosts":["a","b"],"slices":2,"version":"1","#
        + #""cores":[4,8],"machines":[0,1],"parties":2}"#)
    let interval = TimingRecord.interval(
      step: 10, epoch: 1, seconds: 1, samplesPerSecond: 2, phases: PhaseSeconds(),
      traffic: TrafficBytes(exchange: 3, statistics: 4, shared: 5))
    #expect(interval.line.hasSuffix(#","traffic":{"exchange":3,"statistics":4,"shared":5}}"#))
  }

  static let records: [MetricsRecord] = [
    .step(step: 12, epoch: 1, loss: 0.1, learningRate: 1e-5, gradientNorm: 2, digest: "00ff"),
    .step(step: 0, epoch: 0, loss: 3, learningRate: 0.001),
    .evaluation(step: 9, epoch: 3, loss: 0.25, accuracy: 0.975, digest: "ab"),
    .evaluation(step: 9, epoch: 3, loss: 0.25),
  ]

  @Test("A metrics record reads back equal", arguments: records)
  func readsBack(record: MetricsRecord) throws {
    #expect(try JSONDecoder().decode(MetricsRecord.self, from: Data(record.line.utf8)) == record)
  }

  @Test("A null in a metrics record reads back as NaN, so an evaluation remains one")
  func nullReadsBack() throws {
    for record in [
      MetricsRecord.step(step: 1, epoch: 1, loss: .infinity, learningRate: 0.1),
      .evaluation(step: 1, epoch: 1, loss: .nan, accuracy: .nan),
    ] {
      let read = try JSONDecoder().decode(MetricsRecord.self, from: Data(record.line.utf8))
      #expect(read.isEvaluation == record.isEvaluation && read.line == record.line)
      #expect(read.loss?.isNaN ?? read.testLoss?.isNaN == true)
    }
  }

  static let timings: [TimingRecord] = [
    .start(startTime: "now", ranks: 1, hosts: ["a"], slices: 8, version: "1.0"),
    .start(
      startTime: "now", ranks: 2, hosts: ["a", "b\""], slices: 8, version: "1.0", resumedFrom: 50,
      attempt: LaunchAttempt(launch: "x", number: 2),
      placement: Placement(cores: [4, 8], machines: [0, 1], participants: 2)),
    .start(
      startTime: "now", ranks: 1, hosts: ["a"], slices: 8, version: "1.0",
      placement: Placement(cores: [4], machines: nil, participants: 1)),
    .interval(
      step: 10, epoch: 1, seconds: 0.5, samplesPerSecond: 2560,
      phases: PhaseSeconds(compute: 0.25, wait: 0.125, exchange: 0.0625, update: 0),
      traffic: TrafficBytes(exchange: 3, statistics: 4, shared: 5)),
    .interval(
      step: 1, epoch: 1, seconds: 0.5, samplesPerSecond: 2560, phases: PhaseSeconds(wait: 0.1)),
  ]

  @Test("A timing record reads back equal", arguments: timings)
  func readsBack(record: TimingRecord) throws {
    #expect(try JSONDecoder().decode(TimingRecord.self, from: Data(record.line.utf8)) == record)
  }

  private struct Loss: Decodable {
    let loss: Double
  }

  @Test(
    "Numbers in records read back to the same bits",
    arguments: [
      0, -0.0, 1, 0.1, 1 / 3, 1e-5, 1e16, 1e22, 123_456_789.123, .leastNonzeroMagnitude,
      2.2250738585072014e-308,
      .greatestFiniteMagnitude, .pi, -1e-100, Double(Float(0.1)),
    ])
  func exactNumbers(value: Double) throws {
    let line = MetricsRecord.step(step: 1, epoch: 0, loss: value, learningRate: 0).line
    let text = line.dropFirst(#"{"step":1,"epoch":0,"loss":"#.count).prefix { $0 != "," }
    #expect(Double(text)?.bitPattern == value.bitPattern)
    #expect(try JSONDecoder().decode(Loss.self, from: Data(line.utf8)).loss == value)
  }

  @Test("100,000 numbers with random bits read back from records to the same bits")
  func randomNumbers() {
    var state: UInt64 = 42
    for _ in 0..<100_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let value = Double(bitPattern: state ^ (state >> 29))
      guard value.isFinite else { continue }
      let line = MetricsRecord.evaluation(step: 1, epoch: 0, loss: value).line
      let text = line.dropFirst(#"{"step":1,"epoch":0,"test_loss":"#.count).dropLast()
      guard Double(text)?.bitPattern == value.bitPattern else {
        Issue.record("\(line)")
        return
      }
    }
  }

  @Test(
    "Numbers that are not finite are null, and the line is valid JSON",
    arguments: [
      Double.nan, .infinity, -.infinity,
    ])
  func notFinite(value: Double) throws {
    let line = MetricsRecord.step(
      step: 1, epoch: 0, loss: value, learningRate: value, gradientNorm: value
    ).line
    #expect(
      line == #"{"step":1,"epoch":0,"loss":null,"learning_rate":null,"grad_norm":null}"#)
    _ = try JSONSerialization.jsonObject(with: Data(line.utf8))
  }
}
