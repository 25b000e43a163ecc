// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

extension Communicator {
  /// Sends a message and returns when its buffer may be changed again; this rank.
  ///
  /// A large message waits for its receiver. MPI 3.1, section 3.2.
  ///
  /// - Parameters:
  ///   - buffer: The message, of at most `Int32.max` elements.
  ///   - destination: The receiving rank.
  ///   - tag: Tells messages between the same two ranks apart.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` for a rank or tag that doesn't exist,
  ///   ``MPIError/tooManyElements(call:rank:count:)``, or what MPI reports.
  public func send<Element: MessageElement>(
    _ buffer: UnsafeBufferPointer<Element>, to destination: Int, tag: Int = 0
  ) throws(MPIError) {
    let call: StaticString = "MPI_Isend"
    let count = try count(buffer.count, call)
    let (peer, label) = (try member(destination, call), try self.tag(tag, call))
    try complete(call) { (request) throws(MPIError) in
      MPI_Isend(
        buffer.baseAddress, count, Element.messageType.datatype, peer, label, try live(call),
        &request)
    }
    noteSent(buffer.count, Element.self, toPeer: destination)
  }

  /// Waits for a message and returns its number of elements; this rank.
  ///
  /// MPI 3.1, section 3.2.4.
  ///
  /// - Parameters:
  ///   - buffer: Where the message goes; it may be larger than the message.
  ///   - source: The sending rank.
  ///   - tag: The message's tag.
  /// - Throws: ``MPIError/callFailed(_:)`` of class `MPI_ERR_TRUNCATE` if the message is larger than
  ///   the buffer, or as ``send(_:to:tag:)``.
  @discardableResult
  public func receive<Element: MessageElement>(
    into buffer: UnsafeMutableBufferPointer<Element>, from source: Int, tag: Int = 0
  ) throws(MPIError) -> Int {
    let call: StaticString = "MPI_Irecv"
    let count = try count(buffer.count, call)
    let (peer, label) = (try member(source, call), try self.tag(tag, call))
    let type = Element.messageType.datatype
    var status = MPI_Status()
    try complete(call, &status) { (request) throws(MPIError) in
      MPI_Irecv(buffer.baseAddress, count, type, peer, label, try live(call), &request)
    }
    return try received(&status, type)
  }

  /// Sends one message while it waits for another, and returns the other's count; this rank.
  ///
  /// Two ranks that call it for each other never wait in a circle. MPI 3.1, section 3.10.
  ///
  /// - Parameters:
  ///   - message: What is sent.
  ///   - destination: The receiving rank.
  ///   - buffer: Where the other message goes, apart from `message`.
  ///   - source: The sending rank.
  ///   - tag: The tag of both messages.
  /// - Throws: As ``receive(into:from:tag:)``.
  @discardableResult
  public func sendReceive<Element: MessageElement>(
    _ message: UnsafeBufferPointer<Element>, to destination: Int,
    into buffer: UnsafeMutableBufferPointer<Element>, from source: Int, tag: Int = 0
  ) throws(MPIError) -> Int {
    let (sending, receiving): (StaticString, StaticString) = ("MPI_Isend", "MPI_Irecv")
    let (sent, room) = (try count(message.count, sending), try count(buffer.count, receiving))
    let (to, from) = (try member(destination, sending), try member(source, receiving))
    let (label, type) = (try self.tag(tag, receiving), Element.messageType.datatype)
    var status = MPI_Status()
    var request: MPI_Request?
    try check(
      MPI_Irecv(buffer.baseAddress, room, type, from, label, live(receiving), &request),
      receiving, rank: worldRank)
    try complete(sending) { (request) throws(MPIError) in
      MPI_Isend(message.baseAddress, sent, type, to, label, try live(sending), &request)
    }
    noteSent(message.count, Element.self, toPeer: destination)
    try finish(&request, receiving, &status)
    return try received(&status, type)
  }

  private func received(
    _ status: inout MPI_Status, _ type: MPI_Datatype
  ) throws(MPIError) -> Int {
    var count: Int32 = 0
    try check(MPI_Get_count(&status, type, &count), "MPI_Get_count", rank: worldRank)
    return Int(count)
  }
}
