// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore
internal import Tracing

/// Which buckets have messages under way, and since when.
///
/// MPI tells that a message has arrived when it is asked, so a flight may end later here than it did.
final class BucketFlights {
  /// How many messages of each bucket are under way.
  private(set) var messages: [Int]
  private var starts: [Double]
  private let spans: SpanRecorder?

  init(buckets: Int, _ spans: SpanRecorder?) {
    messages = Array(repeating: 0, count: buckets)
    starts = Array(repeating: 0, count: buckets)
    self.spans = spans
  }

  /// Takes note that a message of a bucket is under way.
  func began(_ bucket: Int) {
    if messages[bucket] == 0, spans != nil { starts[bucket] = MonotonicClock.seconds }
    messages[bucket] += 1
  }

  /// Takes note that one has arrived.
  func ended(_ bucket: Int) {
    messages[bucket] -= 1
    if messages[bucket] == 0 { spans?.add(.flight, bucket, since: starts[bucket]) }
  }
}
