// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

/// Point-to-point messages, in blocking and non-blocking form.
///
/// MPI 3.1, chapter 3.
extension Communicator {
  /// Sends a message and returns when its buffer may be modified again.
  ///
  /// A large message blocks until it is received. MPI 3.1, section 3.2.
  ///
  /// - Parameters:
  ///   - buffer: The message, of at most `Int32.max` elements.
  ///   - destination: The receiving rank.
  ///   - tag: Distinguishes messages between the same two ranks.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` for a rank or tag out of range,
  ///   ``MPIError/tooManyElements(call:rank:count:)``, or what MPI reports.
  public func send<Element: MessageElement>(
    _ buffer: UnsafeBufferPointer<Element>, to destination: Int, tag: Int = 0
  ) throws(MPIError) {
    try wait(for: beginSend(buffer, to: destination, tag: tag))
  }

  /// Waits for a message and returns its number of elements.
  ///
  /// MPI 3.1, section 3.2.4.
  ///
  /// - Parameters:
  ///   - buffer: The destination of the message; may be larger than the message.
  ///   - source: The sending rank.
  ///   - tag: The message's tag.
  /// - Throws: ``MPIError/callFailed(_:)`` of class `MPI_ERR_TRUNCATE` if the message is larger
  ///   than the buffer, or as ``send(_:to:tag:)``.
  @discardableResult
  public func receive<Element: MessageElement>(
    into buffer: UnsafeMutableBufferPointer<Element>, from source: Int, tag: Int = 0
  ) throws(MPIError) -> Int {
    let receive = try beginReceive(into: buffer, from: source, tag: tag)
    return try waitForCount(receive, of: Element.self)
  }

  /// Sends one message, receives another at the same time, and returns the number of elements
  /// received.
  ///
  /// Two ranks that call it for each other can't deadlock. MPI 3.1, section 3.10.
  ///
  /// - Parameters:
  ///   - message: The message to send.
  ///   - destination: The receiving rank.
  ///   - buffer: The destination of the other message; must not overlap `message`.
  ///   - source: The rank that sends it.
  ///   - tag: The tag of both messages.
  /// - Throws: As ``receive(into:from:tag:)``.
  @discardableResult
  public func sendReceive<Element: MessageElement>(
    _ message: UnsafeBufferPointer<Element>, to destination: Int,
    into buffer: UnsafeMutableBufferPointer<Element>, from source: Int, tag: Int = 0
  ) throws(MPIError) -> Int {
    // Checked first: once the receive is posted, nothing may fail before it has completed.
    _ = try checkedCount(message.count, "MPI_Isend")
    _ = try checkedRank(destination, "MPI_Isend")
    let receive = try beginReceive(into: buffer, from: source, tag: tag)
    try wait(for: beginSend(message, to: destination, tag: tag))
    return try waitForCount(receive, of: Element.self)
  }

  /// Starts sending a message.
  ///
  /// The buffer must not be modified until the request has completed. MPI 3.1, section 3.7.2.
  ///
  /// - Parameters:
  ///   - buffer: The message, of at most `Int32.max` elements.
  ///   - destination: The receiving rank.
  ///   - tag: The message's tag.
  ///   - owner: The object that owns the buffer's memory; the request keeps it alive.
  /// - Throws: As ``send(_:to:tag:)``.
  public func startSend<Element: MessageElement>(
    _ buffer: UnsafeBufferPointer<Element>, to destination: Int, tag: Int = 0, owner: AnyObject
  ) throws(MPIError) -> Request {
    Request(try beginSend(buffer, to: destination, tag: tag, owner: owner), on: self)
  }

  /// Starts receiving a message.
  ///
  /// The buffer must not be accessed until the request has completed. MPI 3.1, section 3.7.2.
  ///
  /// - Parameters:
  ///   - buffer: The destination of the message; may be larger than the message.
  ///   - source: The sending rank.
  ///   - tag: The message's tag.
  ///   - owner: The object that owns the buffer's memory; the request keeps it alive.
  /// - Throws: As ``send(_:to:tag:)``; a message that is too large is reported on completion.
  public func startReceive<Element: MessageElement>(
    into buffer: UnsafeMutableBufferPointer<Element>, from source: Int, tag: Int = 0,
    owner: AnyObject
  ) throws(MPIError) -> Request {
    Request(try beginReceive(into: buffer, from: source, tag: tag, owner: owner), on: self)
  }

  func beginSend<Element: MessageElement>(
    _ buffer: UnsafeBufferPointer<Element>, to destination: Int, tag: Int,
    owner: AnyObject? = nil
  ) throws(MPIError) -> Operation {
    let call: StaticString = "MPI_Isend"
    let count = try checkedCount(buffer.count, call)
    let (peer, tag) = (try checkedRank(destination, call), try checkedTag(tag, call))
    return try begin(
      call, on: Element.self, count: buffer.count, sent: destination == rank ? 0 : buffer.count,
      peer: peer, tag: tag, owner: owner
    ) { type, communicator, request in
      MPI_Isend(buffer.baseAddress, count, type, peer, tag, communicator, &request)
    }
  }

  func beginReceive<Element: MessageElement>(
    into buffer: UnsafeMutableBufferPointer<Element>, from source: Int, tag: Int,
    owner: AnyObject? = nil
  ) throws(MPIError) -> Operation {
    let call: StaticString = "MPI_Irecv"
    let count = try checkedCount(buffer.count, call)
    let (peer, tag) = (try checkedRank(source, call), try checkedTag(tag, call))
    return try begin(
      call, on: Element.self, count: buffer.count, sent: 0, peer: peer, tag: tag, owner: owner
    ) { type, communicator, request in
      MPI_Irecv(buffer.baseAddress, count, type, peer, tag, communicator, &request)
    }
  }

  /// Waits for a receive and returns the number of elements received.
  private func waitForCount<Element: MessageElement>(
    _ receive: Operation, of _: Element.Type
  ) throws(MPIError) -> Int {
    var status = MPI_Status()
    try wait(for: receive, &status)
    var count: Int32 = 0
    try check(
      MPI_Get_count(&status, Element.messageType.datatype, &count), "MPI_Get_count",
      rank: worldRank)
    return Int(count)
  }
}

/// Notices: integers sent without waiting, to ranks that may have died.
extension Communicator {
  /// Sends an integer to a rank, without waiting and without learning whether it arrives.
  ///
  /// Each notice permanently occupies 8 bytes, which MPI may read at any later time: it is meant
  /// for rare events. MPI 3.1, section 3.7.3.
  ///
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` for a rank out of range, or what MPI
  ///   reports.
  public func postNotice(_ number: Int, to destination: Int) throws(MPIError) {
    let message = UnsafeMutablePointer<Int>.allocate(capacity: 1)
    message.initialize(to: number)
    let send = try beginSend(
      UnsafeBufferPointer(start: message, count: 1), to: destination, tag: 0)
    var request: MPI_Request? = send.handle
    try check(MPI_Request_free(&request), "MPI_Request_free", rank: worldRank)
  }

  /// Returns a notice that has arrived, from any rank, without waiting.
  ///
  /// The communicator must be used for notices only. MPI 3.1, section 3.8.1.
  ///
  /// - Returns: The sender and its number, `nil` if none has arrived.
  /// - Throws: What MPI reports.
  public func takeNotice() throws(MPIError) -> (source: Int, number: Int)? {
    let call: StaticString = "MPI_Iprobe"
    var (status, found) = (MPI_Status(), Int32(0))
    try check(
      MPI_Iprobe(clockstep_any_source, 0, live(call), &found, &status), call, rank: worldRank)
    guard found != 0 else { return nil }
    var number = 0
    // The message has arrived, so this doesn't block.
    try check(
      MPI_Recv(
        &number, 1, Int.messageType.datatype, status.MPI_SOURCE, 0, live("MPI_Recv"), &status),
      "MPI_Recv", rank: worldRank)
    return (Int(status.MPI_SOURCE), number)
  }
}
