// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Failures
import Glibc
import Synchronization

/// The real system calls up to one of them, which fails.
final class FailingCalls: Sendable {
  enum Manner {
    /// One call reports this error, those after it work: a full disk.
    case error(Int32)
    /// Nothing happens any more: the process was killed in the middle of a write.
    case death
  }

  private let done = Mutex(0)
  private let failing: Int
  private let manner: Manner

  init(failing: Int, manner: Manner) {
    self.failing = failing
    self.manner = manner
  }

  /// How many calls were made.
  var count: Int { done.withLock { $0 } }

  var calls: SystemCalls {
    let live = SystemCalls.live
    var calls = live
    calls.create = { path in
      try self.pass()
      return try live.create(path)
    }
    calls.write = { descriptor, bytes in
      do {
        try self.pass()
      } catch {
        let half = UnsafeRawBufferPointer(rebasing: bytes.prefix(bytes.count / 2))
        _ = try live.write(descriptor, half)
        throw error
      }
      // In pieces, as a system may do it.
      return try live.write(descriptor, UnsafeRawBufferPointer(rebasing: bytes.prefix(100)))
    }
    calls.synchronize = { descriptor in
      try self.pass()
      try live.synchronize(descriptor)
    }
    calls.close = { descriptor in
      try live.close(descriptor)
      try self.pass()
    }
    calls.rename = { from, to in
      try self.pass()
      try live.rename(from, to)
    }
    calls.synchronizeFolder = { path in
      try self.pass()
      try live.synchronizeFolder(path)
    }
    calls.remove = { path in
      if case .death = self.manner { throw SystemError(EIO) }
      try live.remove(path)
    }
    return calls
  }

  private func pass() throws {
    let number = done.withLock { count in
      count += 1
      return count
    }
    switch manner {
    case .error(let code): if number == failing { throw SystemError(code) }
    case .death: if number >= failing { throw SystemError(EIO) }
    }
  }
}
