// SPDX-License-Identifier: Apache-2.0
import NeuralCore
import Testing
import Tracing

@Suite("Span recorder")
struct SpanRecorderTests {
  @Test("Spans are read back from their bytes, ordered by their ends, and nest")
  func roundTrip() {
    let recorder: SpanRecorder? = SpanRecorder(steps: 2, layers: 1)
    recorder?.begin(step: 41)
    let result = recorder.record(.step) { recorder.record(.forward, 3) { 5 } }
    let spans = SpanRecorder.spans(in: recorder?.bytes ?? [])
    #expect(result == 5)
    #expect(
      spans.map(\.name) == [SpanRecorder.Name.forward.rawValue, SpanRecorder.Name.step.rawValue])
    #expect(spans.map(\.index) == [3, 0] && spans.allSatisfy { $0.step == 41 })
    #expect(spans[1].start <= spans[0].start && spans[0].start <= spans[0].end)
    #expect(spans[0].end <= spans[1].end)
  }

  @Test("Recording stops after the last step for which there is room")
  func stepLimit() {
    let recorder = SpanRecorder(steps: 2, layers: 1)
    for step in 1...3 {
      recorder.begin(step: step)
      recorder.add(.batch, since: 0)
    }
    #expect(SpanRecorder.spans(in: recorder.bytes).map(\.step) == [1, 2])
    #expect(recorder.dropped == 0)
  }

  @Test("Spans for which there is no room are counted")
  func overflow() {
    let recorder = SpanRecorder(steps: 1, layers: 0)
    for _ in 0..<100 { recorder.add(.batch, since: 0) }
    #expect(SpanRecorder.spans(in: recorder.bytes).count + recorder.dropped == 100)
    #expect(recorder.dropped > 0)
  }

  @Test("A span is recorded when its body throws, and without a recorder the body just runs")
  func failure() {
    struct Failure: Error {}
    let recorder: SpanRecorder? = SpanRecorder(steps: 1, layers: 1)
    #expect(throws: Failure.self) { try recorder.record(.update) { throw Failure() } }
    #expect(SpanRecorder.spans(in: recorder?.bytes ?? []).count == 1)
    let none: SpanRecorder? = nil
    #expect(none.record(.update) { 1 } == 1)
  }
}
