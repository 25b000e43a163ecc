// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI
internal import Glibc

/// The pauses of a loop in which this rank waits for others.
///
/// Every wait is such a loop: it spins first, then lets other processes of this core run, and looks
/// around a few times a second, where the observer of long waits is told
/// (``Communicator/observeWaits(_:)``). A wait that ends while it spins costs no system call.
///
/// ```swift
/// var loop = communicator.waitLoop()
/// while !flag.load(ordering: .acquiring) { try loop.pause() }
/// ```
public struct WaitLoop {
  /// Pauses between two readings of the clock; a power of two.
  private static let pausesPerLook = 64
  /// The seconds between two calls of the observer.
  static let interval = 0.25
  /// The most seconds that one look counts for: a process that was stopped has not waited.
  private static let longestLook = 2.0

  private let state: EnvironmentState
  private var pauses = 0
  private var waited = 0.0
  private var lastLook = 0.0
  private var nextCall = WaitLoop.interval

  init(_ state: EnvironmentState) {
    self.state = state
  }

  /// Lets a moment pass; this rank.
  ///
  /// - Throws: ``MPIError/waitAbandoned(reason:)`` if the observer gives up.
  @inline(__always)
  public mutating func pause() throws(MPIError) {
    pauses &+= 1
    if pauses <= state.spins { clockstep_relax() } else { sched_yield() }
    if pauses & (Self.pausesPerLook - 1) == 0 { try look() }
  }

  @inline(never)
  private mutating func look() throws(MPIError) {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    let now = Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    if lastLook > 0 { waited += min(now - lastLook, Self.longestLook) }
    lastLook = now
    guard waited >= nextCall else { return }
    nextCall = waited + Self.interval
    try state.waitObserver?(waited)
  }
}

extension Communicator {
  /// The pauses of a loop that waits for ranks of this communicator by other means than messages.
  public func waitLoop() -> WaitLoop { WaitLoop(state) }

  /// Sets who is told about long waits of this process, on any communicator; this rank.
  ///
  /// The observer is called a few times a second with the seconds that the wait has lasted. It may
  /// send messages and take those that have come, but must not wait. It ends the wait, and so the
  /// job, by throwing.
  public func observeWaits(_ observer: ((Double) throws(MPIError) -> Void)?) {
    state.waitObserver = observer
  }
}
