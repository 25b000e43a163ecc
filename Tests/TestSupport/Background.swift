// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Work on a thread of its own, while the test that started it goes on.
///
/// A task won't do: there are only as many threads for tasks as cores, and tests that wait for commands hold them.
package final class Background<Value: Sendable>: Sendable {
  private let done = DispatchSemaphore(value: 0)
  // Written before `done` is signalled, read after.
  nonisolated(unsafe) private var result: Result<Value, any Error>?

  /// Starts it.
  package init(_ work: @escaping @Sendable () throws -> Value) {
    Thread.detachNewThread { [self] in
      result = Result(catching: work)
      done.signal()
    }
  }

  /// Waits for its end; to be called once.
  ///
  /// - Returns: What the work returned.
  /// - Throws: What the work threw.
  package func value() throws -> Value {
    while true {
      done.wait()
      if let result { return try result.get() }
    }
  }
}
