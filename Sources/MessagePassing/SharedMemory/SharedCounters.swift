// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// Counters in shared memory by which ranks of one machine wait for each other.
///
/// Each rank has one of each kind, which it alone advances and all may watch. What a rank has written
/// to shared memory before it advances, others see once they see the counter. Waiting spins first,
/// and gives the core away where ranks outnumber cores (``WaitLoop``).
public final class SharedCounters {
  /// Counters of different ranks don't share a cache line, nor the one that is fetched beside it.
  private static let spacing = 128

  private let window: SharedWindow
  private let communicator: Communicator
  private let kinds: Int
  private let places: UnsafeMutablePointer<UnsafeMutablePointer<Atomic<Int>>>

  /// Makes `kinds` counters a rank, all zero; all ranks of a communicator on one machine.
  ///
  /// - Throws: As ``SharedWindow/init(_:ownBytes:)``.
  public init(_ communicator: Communicator, kinds: Int) throws(MPIError) {
    self.communicator = communicator
    self.kinds = kinds
    window = try SharedWindow(communicator, ownBytes: kinds * Self.spacing)
    places = .allocate(capacity: kinds * communicator.size)
    for kind in 0..<kinds {
      for rank in 0..<communicator.size {
        guard let base = window.segment(of: rank).baseAddress else { continue }
        // A fresh page is zero, which is a counter at zero.
        (places + kind * communicator.size + rank).initialize(
          to: (base + kind * Self.spacing).assumingMemoryBound(to: Atomic<Int>.self))
      }
    }
  }

  deinit {
    places.deallocate()
  }

  /// Advances this rank's counter by one; this rank.
  ///
  /// - Returns: The new value.
  @discardableResult
  public func advance(_ kind: Int) -> Int {
    let place = places[kind * communicator.size + communicator.rank]
    // Nobody else writes it, so a plain store will do, for which the core need not wait.
    let value = place.pointee.load(ordering: .relaxed) + 1
    place.pointee.store(value, ordering: .releasing)
    return value
  }

  /// Whether the counters of all ranks have come to a value; never waits.
  public func haveAll(_ kind: Int, reached value: Int) -> Bool {
    let row = places + kind * communicator.size
    for rank in 0..<communicator.size where row[rank].pointee.load(ordering: .acquiring) < value {
      return false
    }
    return true
  }

  /// Returns once the counters of all ranks have come to a value; this rank.
  ///
  /// - Throws: ``MPIError/waitAbandoned(reason:)`` if the observer of long waits gives up.
  public func wait(_ kind: Int, for value: Int) throws(MPIError) {
    guard !haveAll(kind, reached: value) else { return }
    var loop = communicator.waitLoop()
    while !haveAll(kind, reached: value) { try loop.pause() }
  }

  /// Advances this rank's counter, and returns once all ranks have advanced theirs as often; all ranks.
  ///
  /// - Throws: As ``wait(_:for:)``.
  public func meet(_ kind: Int) throws(MPIError) {
    try wait(kind, for: advance(kind))
  }
}
