// SPDX-License-Identifier: Apache-2.0
internal import Dispatch
internal import Synchronization

/// Writes checkpoints on a thread of its own while training goes on, one at a time; rank 0's.
///
/// The thread makes no call of MPI, and touches only what it was given.
final class CheckpointWriter: Sendable {
  private let queue = DispatchQueue(label: "lockstep.checkpoints")
  private let running = DispatchGroup()
  private let result = Mutex<Result<String, any Error>?>(nil)

  /// Begins to write; whatever was begun before must have been waited for.
  func begin(_ job: CheckpointJob) {
    result.withLock { $0 = nil }
    queue.async(group: running) { [self] in
      let written = Result { try job.write() }
      result.withLock { $0 = written }
    }
  }

  /// What came of the write that was begun last, or nil while it goes on.
  ///
  /// - Returns: the file's path, or why it was not written.
  func poll() -> Result<String, any Error>? {
    result.withLock { $0 }
  }

  /// Waits until nothing is being written any more.
  ///
  /// - Returns: as `poll()`; nil only if nothing was ever begun.
  @discardableResult
  func wait() -> Result<String, any Error>? {
    running.wait()
    return poll()
  }
}
