// SPDX-License-Identifier: Apache-2.0
import Foundation
import RunRecords
import Testing

@Suite("Log records")
struct LogRecordTests {
  @Test("a step has its fields in the fixed order, those that are absent left out")
  func step() {
    let full = MetricsRecord.step(
      step: 12, epoch: 1, loss: 0.1, learningRate: 1e-5, gradientNorm: 2, digest: "00ff")
    #expect(
      full.line == #"{"step":12,"epoch":1,"loss":0.1,"learning_rate":1e-05,"grad_norm":2.0,"#
        + #""digest":"00ff"}"#)
    let short = MetricsRecord.step(step: 0, epoch: 0, loss: 3, learningRate: 0.001)
    #expect(short.line == #"{"step":0,"epoch":0,"loss":3.0,"learning_rate":0.001}"#)
  }

  @Test("an evaluation has an accuracy only where there are classes")
  func evaluation() {
    let classes = MetricsRecord.evaluation(
      step: 9, epoch: 3, loss: 0.25, accuracy: 0.975, digest: "ab")
    #expect(
      classes.line
        == #"{"step":9,"epoch":3,"test_loss":0.25,"test_accuracy":0.975,"digest":"ab"}"#)
    let values = MetricsRecord.evaluation(step: 9, epoch: 3, loss: 0.25)
    #expect(values.line == #"{"step":9,"epoch":3,"test_loss":0.25}"#)
  }

  @Test("timing records have their fields in the fixed order, and text is escaped")
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

  @Test("timing records tell placement and traffic where they are known")
  func placementAndTraffic() {
    let start = TimingRecord.start(
      startTime: "now", ranks: 2, hosts: ["a", "b"], slices: 2, version: "1",
      placement: Placement(cores: [4, 8], machines: [0, 1], parties: 2))
    #expect(
      start.line
        == #"{"start_time":"now","ranks":2,"hosts":["a","b"],"slices":2,"version":"1","#
        + #""cores":[4,8],"machines":[0,1],"parties":2}"#)
    let interval = TimingRecord.interval(
      step: 10, epoch: 1, seconds: 1, samplesPerSecond: 2, phases: PhaseSeconds(),
      traffic: TrafficBytes(exchange: 3, statistics: 4, shared: 5))
    #expect(interval.line.hasSuffix(#","traffic":{"exchange":3,"statistics":4,"shared":5}}"#))
  }

  private struct Loss: Decodable {
    let loss: Double
  }

  @Test(
    "numbers read back to the same bits",
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

  @Test("a hundred thousand random bit patterns read back")
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
    "what is not finite is null, and the line is still JSON",
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
