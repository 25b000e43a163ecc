import NeuralCore
// SPDX-License-Identifier: Apache-2.0
import Tracing

/// Times small pieces of work.
enum Clock {
  /// Seconds that a sample lasts at least, unless one call takes longer.
  private static let sample = 0.01
  private static let samples = 5

  /// The seconds that a call takes: the best of a few samples, after one that warms up.
  ///
  /// The best, since whatever else the machine does only adds time.
  static func seconds(_ body: () throws -> Void) rethrows -> Double {
    var calls = 1
    var elapsed = try time(calls, body)
    while elapsed < sample {
      calls = Int(Double(calls) * Swift.min(1.2 * sample / Swift.max(elapsed, 1e-9), 100)) + 1
      elapsed = try time(calls, body)
    }
    var best = elapsed
    for _ in 1..<samples { best = Swift.min(best, try time(calls, body)) }
    return best / Double(calls)
  }

  private static func time(_ calls: Int, _ body: () throws -> Void) rethrows -> Double {
    let start = MonotonicClock.seconds
    for _ in 0..<calls { try body() }
    return MonotonicClock.seconds - start
  }
}
