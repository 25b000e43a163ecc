// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Work on its own thread, beside the test that starts it.
///
/// A task would not do: there are only as many threads for tasks as cores, and tests that wait for
/// commands occupy them.
package final class Background<Value: Sendable>: Sendable {
  private let done = DispatchSemaphore(value: 0)
  // Written before `done` is signaled, read after.
  nonisolated(unsafe) private var result: Result<Value, any Error>?

  /// Starts the work.
  package init(_ work: @escaping @Sendable () throws -> Value) {
    Thread.detachNewThread { [self] in
      result = Result(catching: work)
      done.signal()
    }
  }

  /// Waits until the work ends; to be called once.
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

/// A condition that a test waited for has not become true within ``hangLimit``.
package struct WaitTimedOut: Error, CustomStringConvertible {
  /// What was waited for.
  package let condition: String

  package init(condition: String) { self.condition = condition }

  package var description: String { "not within \(hangLimit) s: \(condition)" }
}

/// Waits until a condition holds.
///
/// - Throws: ``WaitTimedOut`` after ``hangLimit``, or what the condition throws.
package func wait(until description: String, _ condition: () throws -> Bool) throws {
  let deadline = DispatchTime.now() + hangLimit
  while !(try condition()) {
    guard DispatchTime.now() < deadline else { throw WaitTimedOut(condition: description) }
    usleep(2000)
  }
}
