// SPDX-License-Identifier: Apache-2.0
internal import Failures
internal import Files
internal import Foundation
internal import NeuralCore
internal import Synchronization

/// A SIGKILL in the middle of writing a checkpoint, which tests ask for.
///
/// `LOCKSTEP_TEST_KILL_WRITE=N` has the process send itself SIGKILL at the Nth call that publishes
/// checkpoints; a call that writes has written half of its bytes by then.
struct InjectedKill {
  private let number: Int

  /// The kill that the environment asks for, or nil.
  init?(_ environment: [String: String] = ProcessInfo.processInfo.environment) {
    guard let number = environment["LOCKSTEP_TEST_KILL_WRITE"].flatMap({ Int($0) }) else {
      return nil
    }
    self.number = number
  }

  /// The real calls up to that one.
  var calls: SystemCalls {
    let live = SystemCalls.live
    let countdown = Countdown(number)
    var calls = live
    calls.create = { path throws(SystemError) in
      countdown.tick()
      return try live.create(path)
    }
    calls.write = { descriptor, bytes throws(SystemError) in
      countdown.tick {
        let half = UnsafeRawBufferPointer(rebasing: bytes.prefix(bytes.count / 2))
        _ = try? live.write(descriptor, half)
      }
      return try live.write(descriptor, bytes)
    }
    calls.rewind = { descriptor throws(SystemError) in
      countdown.tick()
      try live.rewind(descriptor)
    }
    calls.synchronize = { descriptor throws(SystemError) in
      countdown.tick()
      try live.synchronize(descriptor)
    }
    calls.close = { descriptor throws(SystemError) in
      countdown.tick()
      try live.close(descriptor)
    }
    calls.rename = { from, to throws(SystemError) in
      countdown.tick()
      try live.rename(from, to)
    }
    calls.synchronizeFolder = { path throws(SystemError) in
      countdown.tick()
      try live.synchronizeFolder(path)
    }
    calls.remove = { path throws(SystemError) in
      countdown.tick()
      try live.remove(path)
    }
    return calls
  }

  private final class Countdown: Sendable {
    private let left: Mutex<Int>

    init(_ number: Int) {
      left = Mutex(number)
    }

    /// Counts a call; at the last one calls `before`, and kills the process.
    func tick(_ before: () -> Void = {}) {
      let isLast = left.withLock { left in
        left -= 1
        return left == 0
      }
      guard isLast else { return }
      before()
      kill(getpid(), SIGKILL)
    }
  }
}

/// A flipped bit that tests ask for, to see that it is detected.
///
/// `LOCKSTEP_TEST_FLIP=RANK:STEP` flips the lowest bit of one weight of the last layer on one rank
/// after a step: as faulty memory would.
struct InjectedBitFlip {
  private let rank: Int
  private let step: Int

  /// The fault that the environment asks for, or nil.
  init?(_ environment: [String: String] = ProcessInfo.processInfo.environment) {
    let parts = environment["LOCKSTEP_TEST_FLIP"]?.split(separator: ":").map { Int($0) } ?? []
    guard parts.count == 2, let rank = parts[0], let step = parts[1] else { return nil }
    self.rank = rank
    self.step = step
  }

  func inject(into store: ParameterStore, rank: Int, step: Int) {
    guard rank == self.rank, step == self.step,
      let entry = store.table.entries.last(where: { $0.specification.role == .weight })
    else { return }
    let elements = store.elements(of: entry)
    elements[0] = Float(bitPattern: elements[0].bitPattern ^ 1)
  }
}
