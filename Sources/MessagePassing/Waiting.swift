// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI
internal import Glibc

/// Pauses between checks of a condition that other ranks will make true.
///
/// Every wait of this module is such a loop: it spins first, then yields the core to other
/// processes, and a few times a second calls the observer of long waits
/// (``Communicator/observeWaits(_:)``). A wait that ends while it spins makes no system call.
///
/// ```swift
/// var loop = communicator.waitLoop()
/// while !flag.load(ordering: .acquiring) { try loop.pause() }
/// ```
public struct WaitLoop {
  /// The number of pauses between two readings of the clock; a power of two.
  private static let pausesPerReading = 64
  /// Seconds between two calls of the observer.
  private static let interval = 0.25
  /// The maximum number of seconds that count between two readings: a process that was stopped has
  /// not been waiting.
  private static let longestReading = 2.0

  private let state: EnvironmentState
  private var pauses = 0
  private var waited = 0.0
  private var lastReading = 0.0
  private var nextCall = WaitLoop.interval

  init(_ state: EnvironmentState) {
    self.state = state
  }

  /// Spins or yields for a moment.
  ///
  /// - Throws: ``MPIError/waitAbandoned(reason:)`` if the observer abandons the wait.
  @inline(__always)
  public mutating func pause() throws(MPIError) {
    pauses &+= 1
    if pauses <= state.spins { clockstep_relax() } else { sched_yield() }
    if pauses & (Self.pausesPerReading - 1) == 0 { try readClock() }
  }

  @inline(never)
  private mutating func readClock() throws(MPIError) {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    let now = Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    if lastReading > 0 { waited += min(now - lastReading, Self.longestReading) }
    lastReading = now
    guard waited >= nextCall else { return }
    nextCall = waited + Self.interval
    try state.waitObserver?(waited)
  }
}

extension Communicator {
  /// A loop that waits for ranks of this communicator by other means than messages.
  public func waitLoop() -> WaitLoop { WaitLoop(state) }

  /// Sets the observer of this process's long waits, on any communicator.
  ///
  /// It is called a few times a second with the seconds that the wait has lasted so far. It may
  /// send messages and receive those that have arrived, but must not wait. It abandons the wait,
  /// and with it the job, by throwing.
  public func observeWaits(_ observer: ((Double) throws(MPIError) -> Void)?) {
    state.waitObserver = observer
  }
}
