// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import RunRecords
internal import Tracing

/// The trace of a run: when each rank did what in the first steps.
enum RunTrace {
  /// Writes the spans of all ranks to the run directory, if they were recorded; all ranks.
  ///
  /// - Parameter clockOffsets: seconds that each rank's clock is ahead of that of rank 0.
  static func write(
    _ spans: SpanRecorder?, _ clockOffsets: [Double], _ directory: RunDirectory?,
    _ group: any ProcessGroup
  ) throws {
    guard let spans else { return }
    let recorded = try group.allGather(spans.bytes)
    let dropped = try group.allGather(values: spans.dropped)
    try group.agree {
      guard let directory else { return }
      let tracks = recorded.indices.map { rank in
        TraceTrack(
          rank: rank, host: group.hosts[rank],
          events: SpanRecorder.spans(in: recorded[rank]).map {
            TraceEvent($0, clockAhead: clockOffsets[rank])
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
      isAsynchronous: span.name == SpanRecorder.Name.inFlight.rawValue)
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
    case .trustRatios: "trust ratios"
    case .shard: "optimizer"
    case .parameterGather: "parameter gather"
    case .digest: "digest"
    case .log: "log"
    case .evaluation: "evaluation"
    case .checkpoint: "checkpoint"
    }
  }
}
