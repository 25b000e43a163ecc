// SPDX-License-Identifier: Apache-2.0
import Failures
import Files
import Glibc
import Synchronization

/// The live system calls up to the nth, which fails.
final class FailingCalls: Sendable {
  enum Manner {
    /// That call reports this error, later ones succeed: a full disk.
    case error(Int32)
    /// That call and all later ones have no effect: the process was killed in the middle of a write.
    case death
  }

  private let done = Mutex(0)
  private let failing: Int
  private let manner: Manner

  init(failing: Int, manner: Manner) {
    self.failing = failing
    self.manner = manner
  }

  /// The number of calls so far.
  var count: Int { done.withLock { $0 } }

  var calls: SystemCalls {
    let live = SystemCalls.live
    var calls = live
    calls.create = { path throws(SystemError) in
      try self.pass()
      return try live.create(path)
    }
    calls.write = { descriptor, bytes throws(SystemError) in
      do throws(SystemError) {
        try self.pass()
      } catch {
        let half = UnsafeRawBufferPointer(rebasing: bytes.prefix(bytes.count / 2))
        _ = try live.write(descriptor, half)
        throw error
      }
      // In pieces, as an operating system may do it.
      return try live.write(descriptor, UnsafeRawBufferPointer(rebasing: bytes.prefix(100)))
    }
    calls.rewind = { descriptor throws(SystemError) in
      try self.pass()
      try live.rewind(descriptor)
    }
    calls.synchronize = { descriptor throws(SystemError) in
      try self.pass()
      try live.synchronize(descriptor)
    }
    calls.close = { descriptor throws(SystemError) in
      try live.close(descriptor)
      try self.pass()
    }
    calls.rename = { from, to throws(SystemError) in
      try self.pass()
      try live.rename(from, to)
    }
    calls.synchronizeFolder = { path throws(SystemError) in
      try self.pass()
      try live.synchronizeFolder(path)
    }
    calls.remove = { path throws(SystemError) in
      if case .death = self.manner { throw SystemError(EIO) }
      try live.remove(path)
    }
    return calls
  }

  private func pass() throws(SystemError) {
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
