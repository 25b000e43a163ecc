// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

/// Communications in flight that are completed together; it can be used again and again.
///
/// All storage is made at the start, so starting and completing allocate nothing. A group that is
/// dropped with anything in flight ends the job and says what it was, as a ``Request`` does.
///
/// ```swift
/// let group = RequestGroup(capacity: 2)
/// try group.startReceive(into: theirs, from: 1, on: world, owner: buffers)
/// try group.startSend(ours, to: 1, on: world, owner: buffers)
/// try group.waitAll()
/// ```
///
/// MPI 3.1, section 3.7.5.
public final class RequestGroup {
  /// How many requests may be in flight at once.
  public let capacity: Int
  /// How many requests are in flight.
  public internal(set) var count = 0

  // MPI completes arrays of handles, so these stand beside the operations. Entries from `count` on
  // hold nothing.
  let handles: UnsafeMutablePointer<MPI_Request?>
  let operations: UnsafeMutablePointer<Operation?>
  let labels: UnsafeMutablePointer<Int>
  let finishedLabels: UnsafeMutablePointer<Int>
  let indices: UnsafeMutablePointer<Int32>
  let statuses: UnsafeMutablePointer<MPI_Status>
  var state: EnvironmentState?
  var worldRank: Int { state?.worldRank ?? 0 }
  var hasFailed = false

  /// Makes a group with room for `capacity` requests.
  ///
  /// - Precondition: `capacity` is in `0...Int32.max`.
  public init(capacity: Int) {
    precondition((0...Int(Int32.max)).contains(capacity), "capacity \(capacity)")
    self.capacity = capacity
    handles = .allocate(capacity: capacity)
    operations = .allocate(capacity: capacity)
    labels = .allocate(capacity: capacity)
    finishedLabels = .allocate(capacity: capacity)
    indices = .allocate(capacity: capacity)
    statuses = .allocate(capacity: capacity)
    handles.initialize(repeating: nil, count: capacity)
    operations.initialize(repeating: nil, count: capacity)
    labels.initialize(repeating: 0, count: capacity)
    finishedLabels.initialize(repeating: 0, count: capacity)
    indices.initialize(repeating: 0, count: capacity)
    statuses.initialize(repeating: MPI_Status(), count: capacity)
  }

  deinit {
    if count > 0, !hasFailed {
      let first = operations[0]?.summary ?? "no name"
      endJob(dropping: count == 1 ? first : "\(first), and \(count - 1) more", rank: worldRank)
    }
    // After a failure, told already, MPI may still write where others are in flight: their owners
    // are never released.
    if count == 0 { operations.deinitialize(count: capacity) }
    operations.deallocate()
    handles.deallocate()
    labels.deallocate()
    finishedLabels.deallocate()
    indices.deallocate()
    statuses.deallocate()
  }

  /// Takes in what `begin` starts, if there is room for it.
  func add(
    label: Int, on communicator: Communicator, _ begin: () throws(MPIError) -> Operation
  ) throws(MPIError) {
    state = communicator.state
    guard count < capacity else { throw .groupFull(capacity: capacity, rank: worldRank) }
    let operation = try begin()
    handles[count] = operation.handle
    operations[count] = operation
    labels[count] = label
    count += 1
  }
}
