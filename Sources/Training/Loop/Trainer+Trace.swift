// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import NeuralCore
internal import RunRecords
internal import Tracing

extension Trainer {
  /// Writes the spans of all replicas to the run directory, if they were recorded; all replicas.
  func writeTrace(_ run: TrainingRun) throws {
    guard let spans = run.network.spans else { return }
    let recorded = try group.allGather(spans.bytes)
    let dropped = try group.allGather(values: spans.dropped)
    try group.agree {
      guard group.rank == 0, let directory = run.directory else { return }
      let tracks = recorded.indices.map { rank in
        TraceTrack(
          rank: rank, host: group.hosts[rank],
          events: SpanRecorder.spans(in: recorded[rank]).map {
            TraceEvent($0, clockAhead: run.clockOffsets[rank])
          },
          dropped: dropped[rank])
      }
      try TraceFile.write(tracks, to: directory.trace)
    }
  }
}

extension TraceEvent {
  fileprivate init(_ span: SpanRecorder.Span, clockAhead offset: Double) {
    self.init(
      name: SpanRecorder.Name(rawValue: span.name)?.text(Int(span.index)) ?? "unknown",
      step: Int(span.step), start: span.start - offset, end: span.end - offset,
      isUnderway: span.name == SpanRecorder.Name.inFlight.rawValue)
  }
}

extension SpanRecorder.Name {
  /// The name that a viewer shows.
  fileprivate func text(_ index: Int) -> String {
    switch self {
    case .step: "step"
    case .batch: "gather batch"
    case .forward: "forward \(index)"
    case .backward: "backward \(index)"
    case .loss: "loss"
    case .update: "update"
    case .statisticsAhead: "statistics ahead"
    case .statistics: "statistics wait"
    case .sums: "sums wait"
    case .exchange: "exchange"
    case .inFlight: "bucket \(index) in flight"
    case .gradientNorm: "gradient norm"
    case .shard: "optimizer"
    case .parameterGather: "parameter gather"
    case .digest: "digest"
    case .log: "log"
    case .evaluation: "evaluation"
    case .checkpoint: "checkpoint"
    }
  }
}
