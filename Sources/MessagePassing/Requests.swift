// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI
internal import Failures
internal import Glibc

/// One communication in flight, which must be waited for.
///
/// The request keeps the owner of its buffer alive. Dropping a request before it has completed
/// terminates the job with a message that names the operation: waiting could hang, and releasing
/// the buffer would let MPI write into memory that has been reused. This also applies when a thrown
/// error leaves the scope.
///
/// MPI 3.1, section 3.7.
public struct Request: ~Copyable {
  private var operation: Operation?
  private let communicator: Communicator

  init(_ operation: Operation, on communicator: Communicator) {
    self.operation = operation
    self.communicator = communicator
  }

  /// Returns when the communication has completed and its buffer may be used.
  ///
  /// - Throws: ``MPIError/callFailed(_:)`` if it failed; it is no longer in flight then.
  public consuming func wait() throws(MPIError) {
    guard let pending = operation else { return }
    operation = nil
    do throws(MPIError) {
      try communicator.wait(for: pending)
    } catch {
      if case .waitAbandoned = error { pending.leakBuffers() }
      throw error
    }
  }

  /// Returns whether the communication has completed, without waiting.
  ///
  /// - Throws: ``MPIError/callFailed(_:)`` if it failed; it is no longer in flight then.
  public mutating func test() throws(MPIError) -> Bool {
    guard let pending = operation else { return true }
    var handle: MPI_Request? = pending.handle
    var completed: Int32 = 0
    let code = MPI_Test(&handle, &completed, clockstep_status_ignore())
    guard code != clockstep_success || completed != 0 else { return false }
    operation = nil
    try check(code, pending.call, rank: communicator.worldRank)
    return true
  }

  deinit {
    if let operation { endJob(dropping: operation.summary, rank: communicator.worldRank) }
  }
}

/// Communications in flight that are completed together; reusable.
///
/// All storage is allocated by the initializer, so that starting and completing requests allocates
/// nothing. Dropping a group with requests in flight terminates the job, as for a ``Request``.
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
  /// The maximum number of requests in flight.
  public let capacity: Int
  /// The number of requests in flight.
  public private(set) var count = 0

  // MPI completes arrays of handles, so these are kept beside the operations. Only the first
  // `count` elements are in use.
  private let handles: UnsafeMutablePointer<MPI_Request?>
  private let operations: UnsafeMutablePointer<Operation?>
  private let labels: UnsafeMutablePointer<Int>
  private let completedLabels: UnsafeMutablePointer<Int>
  private let indices: UnsafeMutablePointer<Int32>
  private let statuses: UnsafeMutablePointer<MPI_Status>
  private var state: EnvironmentState?
  private var worldRank: Int { state?.worldRank ?? 0 }
  private var hasFailed = false

  /// Creates a group for up to `capacity` requests.
  ///
  /// - Precondition: `capacity` is in `0...Int32.max`.
  public init(capacity: Int) {
    precondition((0...Int(Int32.max)).contains(capacity), "capacity \(capacity)")
    self.capacity = capacity
    handles = .allocate(capacity: capacity)
    operations = .allocate(capacity: capacity)
    labels = .allocate(capacity: capacity)
    completedLabels = .allocate(capacity: capacity)
    indices = .allocate(capacity: capacity)
    statuses = .allocate(capacity: capacity)
    handles.initialize(repeating: nil, count: capacity)
    operations.initialize(repeating: nil, count: capacity)
    labels.initialize(repeating: 0, count: capacity)
    completedLabels.initialize(repeating: 0, count: capacity)
    indices.initialize(repeating: 0, count: capacity)
    statuses.initialize(repeating: MPI_Status(), count: capacity)
  }

  deinit {
    if count > 0, !hasFailed {
      let first = operations[0]?.summary ?? "unknown"
      endJob(dropping: count == 1 ? first : "\(first), and \(count - 1) more", rank: worldRank)
    }
    // After a failure, which was thrown, MPI may still write where other requests are in flight:
    // their owners are leaked.
    if count == 0 { operations.deinitialize(count: capacity) }
    operations.deallocate()
    handles.deallocate()
    labels.deallocate()
    completedLabels.deallocate()
    indices.deallocate()
    statuses.deallocate()
  }
}

/// Starting requests.
extension RequestGroup {
  /// Starts sending a message.
  ///
  /// - Parameters:
  ///   - buffer: The message, not to be modified until it has completed.
  ///   - destination: The receiving rank of `communicator`.
  ///   - tag: The message's tag.
  ///   - communicator: The communicator on which it is sent.
  ///   - owner: The object that owns the buffer's memory; the group keeps it alive until
  ///     completion.
  ///   - label: The value that ``progress(_:)`` and ``waitSome(_:)`` pass on when it has completed.
  /// - Throws: ``MPIError/groupFull(capacity:rank:)``, or as ``Communicator/send(_:to:tag:)``.
  public func startSend<Element: MessageElement>(
    _ buffer: UnsafeBufferPointer<Element>, to destination: Int, tag: Int = 0,
    on communicator: Communicator, owner: AnyObject, label: Int = 0
  ) throws(MPIError) {
    try requireRoom(on: communicator)
    add(
      try communicator.beginSend(buffer, to: destination, tag: tag, owner: owner), label: label)
  }

  /// Starts receiving a message.
  ///
  /// - Parameters:
  ///   - buffer: The destination of the message, not to be accessed until it has completed.
  ///   - source: The sending rank of `communicator`.
  ///   - tag: The message's tag.
  ///   - communicator: The communicator on which it is sent.
  ///   - owner: The object that owns the buffer's memory; the group keeps it alive until
  ///     completion.
  ///   - label: The value that ``progress(_:)`` and ``waitSome(_:)`` pass on when it has completed.
  /// - Throws: ``MPIError/groupFull(capacity:rank:)``, or as ``Communicator/send(_:to:tag:)``.
  public func startReceive<Element: MessageElement>(
    into buffer: UnsafeMutableBufferPointer<Element>, from source: Int, tag: Int = 0,
    on communicator: Communicator, owner: AnyObject, label: Int = 0
  ) throws(MPIError) {
    try requireRoom(on: communicator)
    add(
      try communicator.beginReceive(into: buffer, from: source, tag: tag, owner: owner),
      label: label)
  }

  /// Starts copying the root's buffer to all ranks.
  ///
  /// Collective.
  ///
  /// - Throws: ``MPIError/groupFull(capacity:rank:)``, or as
  ///   ``Communicator/startBroadcast(_:root:owner:)``.
  public func startBroadcast<Element: MessageElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, root: Int, on communicator: Communicator,
    owner: AnyObject, label: Int = 0
  ) throws(MPIError) {
    try requireRoom(on: communicator)
    add(try communicator.beginBroadcast(buffer, root: root, owner: owner), label: label)
  }

  /// Starts completing a buffer in which each rank has filled its own block.
  ///
  /// Collective.
  ///
  /// - Throws: ``MPIError/groupFull(capacity:rank:)``, or as
  ///   ``Communicator/startAllGather(inPlace:layout:owner:)``.
  public func startAllGather<Element: MessageElement>(
    inPlace buffer: UnsafeMutableBufferPointer<Element>, layout: BlockLayout? = nil,
    on communicator: Communicator, owner: AnyObject, label: Int = 0
  ) throws(MPIError) {
    try requireRoom(on: communicator)
    add(
      try communicator.beginAllGather(nil, into: buffer, layout: layout, owner: owner),
      label: label)
  }

  private func requireRoom(on communicator: Communicator) throws(MPIError) {
    state = communicator.state
    guard count < capacity else { throw .groupFull(capacity: capacity, rank: worldRank) }
  }

  private func add(_ operation: Operation, label: Int) {
    handles[count] = operation.handle
    operations[count] = operation
    labels[count] = label
    count += 1
  }
}

/// Completing requests.
extension RequestGroup {
  /// Returns when all requests in flight have completed.
  ///
  /// - Throws: ``MPIError/callFailed(_:)`` of the first request that failed. Others may still be in
  ///   flight; call it again to wait for them.
  public func waitAll() throws(MPIError) {
    // Not MPI_Waitall: Open MPI 4.1.4 spins there indefinitely if a request has failed already, and
    // the observer of long waits couldn't be called.
    while count > 0 { try waitSome() }
  }

  /// Lets MPI make progress and removes the requests that have completed, without waiting.
  ///
  /// Open MPI makes progress only inside its calls, so a long computation calls this in between.
  ///
  /// - Parameter completed: Called with the label of each completed request, in any order;
  ///   it may start new requests, but not complete any.
  /// - Returns: The number of requests that have completed in this call.
  /// - Throws: ``MPIError/callFailed(_:)`` of the first request that failed.
  @discardableResult
  public func progress(
    _ completed: (Int) throws(MPIError) -> Void = { (_) throws(MPIError) in }
  ) throws(MPIError) -> Int {
    guard count > 0 else { return 0 }
    var done: Int32 = 0
    let code = MPI_Testsome(
      Int32(truncatingIfNeeded: count), handles, &done, indices, statuses)
    return try complete(Int(done), code, "MPI_Testsome", completed)
  }

  /// Waits until at least one request in flight has completed.
  ///
  /// - Parameter completed: Called with the label of each completed request, in any order;
  ///   it may start new requests, but not complete any.
  /// - Returns: The number of requests that have completed in this call; 0 only if none was in
  ///   flight.
  /// - Throws: ``MPIError/callFailed(_:)`` of the first request that failed.
  @discardableResult
  public func waitSome(
    _ completed: (Int) throws(MPIError) -> Void = { (_) throws(MPIError) in }
  ) throws(MPIError) -> Int {
    guard count > 0, let state else { return 0 }
    var loop = WaitLoop(state)
    do throws(MPIError) {
      while true {
        let finished = try progress(completed)
        if finished > 0 || count == 0 { return finished }
        try loop.pause()
      }
    } catch {
      // The error is reported; the requests left in flight must not be reported as dropped, too.
      if case .waitAbandoned = error { hasFailed = true }
      throw error
    }
  }

  /// Removes the first `done` requests of `indices`, and calls `completed` for those without error.
  private func complete(
    _ done: Int, _ code: Int32, _ call: StaticString,
    _ completed: (Int) throws(MPIError) -> Void
  ) throws(MPIError) -> Int {
    guard code == clockstep_success || code == clockstep_err_in_status else {
      hasFailed = true
      try check(code, call, rank: worldRank)
      return 0
    }
    var firstError: MPIError?
    var finished = 0
    for position in 0..<max(done, 0) {
      let slot = Int(indices[position])
      let own = code == clockstep_success ? code : statuses[position].MPI_ERROR
      guard own != clockstep_err_pending, let operation = operations[slot] else { continue }
      operations[slot] = nil
      do throws(MPIError) {
        try check(own, operation.call, rank: worldRank)
        completedLabels[finished] = labels[slot]
        finished += 1
      } catch {
        firstError = firstError ?? error
      }
    }
    compact()
    hasFailed = firstError != nil
    if let firstError { throw firstError }
    for index in 0..<finished { try completed(completedLabels[index]) }
    return finished
  }

  /// Moves the requests that are still in flight to the front.
  private func compact() {
    var kept = 0
    for slot in 0..<count where operations[slot] != nil {
      if slot != kept {
        handles[kept] = handles[slot]
        labels[kept] = labels[slot]
        operations[kept] = operations[slot].take()
      }
      kept += 1
    }
    count = kept
  }
}

/// A communication that MPI has started.
struct Operation {
  let handle: MPI_Request
  let call: StaticString
  /// The number of elements in the buffer.
  let count: Int
  /// The other rank, or the root; `nil` where all ranks have the same role.
  let peer: Int32?
  let tag: Int32?
  /// The counts and offsets that MPI reads while the operation runs.
  let layout: BlockLayout?
  /// The owner of the buffer's memory; `nil` if the call returns only after completion.
  let owner: AnyObject?

  /// A description for the message about a dropped request.
  var summary: String {
    let place =
      switch (peer, tag) {
      case (let peer?, let tag?): ", peer \(peer), tag \(tag)"
      case (let root?, nil): ", root \(root)"
      default: ""
      }
    return "\(call) of \(count) elements\(place)"
  }

  /// Keeps the buffers forever: after an abandoned wait MPI may still use them.
  func leakBuffers() {
    if let layout { _ = Unmanaged.passRetained(layout) }
    if let owner { _ = Unmanaged.passRetained(owner) }
  }
}

extension Communicator {
  /// Starts a non-blocking call: every operation starts here, blocking ones included, since a
  /// blocking call of MPI's could not call the observer of long waits.
  ///
  /// - Parameters:
  ///   - sent: The number of elements that this rank sends to others, for ``bytesSent``.
  ///   - start: Makes the MPI call with the elements' datatype and this communicator's handle, and
  ///     returns its code.
  @inline(__always)
  func begin<Element: MessageElement>(
    _ call: StaticString, on _: Element.Type, count: Int, sent: Int, peer: Int32? = nil,
    tag: Int32? = nil, layout: BlockLayout? = nil, owner: AnyObject? = nil,
    _ start: (MPI_Datatype, MPI_Comm, inout MPI_Request?) -> Int32
  ) throws(MPIError) -> Operation {
    var handle: MPI_Request?
    let code = start(Element.messageType.datatype, try live(call), &handle)
    try check(code, call, rank: worldRank)
    state.bytesSent &+= sent &* MemoryLayout<Element>.stride
    return Operation(
      handle: handle ?? clockstep_request_null(), call: call, count: count, peer: peer, tag: tag,
      layout: layout, owner: owner)
  }

  /// Returns when an operation has completed.
  ///
  /// Open MPI makes progress in MPI_Test as well as in MPI_Wait.
  ///
  /// - Throws: What MPI reports, or ``MPIError/waitAbandoned(reason:)``: MPI may then still use the
  ///   buffers, so the process must exit.
  func wait(
    for operation: Operation, _ status: UnsafeMutablePointer<MPI_Status>? = nil
  ) throws(MPIError) {
    var request: MPI_Request? = operation.handle
    var loop = WaitLoop(state)
    var completed: Int32 = 0
    while true {
      let code = MPI_Test(&request, &completed, status ?? clockstep_status_ignore())
      try check(code, operation.call, rank: worldRank)
      if completed != 0 { return }
      try loop.pause()
    }
  }
}

/// Terminates the job because a request was dropped in flight: a bug of the program.
private func endJob(dropping request: String, rank: Int) -> Never {
  let message = "lockstep: rank \(rank): a request was dropped before it completed: \(request)\n"
  var rest = Array(message.utf8)[...]
  while !rest.isEmpty {
    let written = rest.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    guard written > 0 else { break }
    rest = rest.dropFirst(written)
  }
  endJob(status: ExitStatus.internalError.rawValue)
}

/// Terminates all ranks immediately.
func endJob(status: Int32) -> Never {
  var finalized: Int32 = 0
  MPI_Finalized(&finalized)
  if finalized == 0 { MPI_Abort(clockstep_comm_world(), status) }
  _exit(status)
}
