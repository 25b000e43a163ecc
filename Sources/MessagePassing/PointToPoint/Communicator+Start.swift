// SPDX-License-Identifier: Apache-2.0

extension Communicator {
  /// Starts to send a message; this rank.
  ///
  /// The buffer must not be changed before the request has completed. MPI 3.1, section 3.7.2.
  ///
  /// - Parameters:
  ///   - buffer: The message, of at most `Int32.max` elements.
  ///   - destination: The receiving rank.
  ///   - tag: The message's tag.
  ///   - owner: Keeps the buffer's memory; the request keeps it alive.
  /// - Throws: As ``send(_:to:tag:)``.
  public func startSend<Element: MessageElement>(
    _ buffer: UnsafeBufferPointer<Element>, to destination: Int, tag: Int = 0, owner: AnyObject
  ) throws(MPIError) -> Request {
    Request(try beginSend(buffer, destination, tag, owner), on: self)
  }

  /// Starts to receive a message; this rank.
  ///
  /// The buffer must not be used before the request has completed. MPI 3.1, section 3.7.2.
  ///
  /// - Parameters:
  ///   - buffer: Where the message goes; it may be larger than the message.
  ///   - source: The sending rank.
  ///   - tag: The message's tag.
  ///   - owner: Keeps the buffer's memory; the request keeps it alive.
  /// - Throws: As ``send(_:to:tag:)``; a message that is too large is reported at completion.
  public func startReceive<Element: MessageElement>(
    into buffer: UnsafeMutableBufferPointer<Element>, from source: Int, tag: Int = 0,
    owner: AnyObject
  ) throws(MPIError) -> Request {
    Request(try beginReceive(buffer, source, tag, owner), on: self)
  }

  /// Starts to copy the root's buffer to all ranks; all ranks, collectives in the same order.
  ///
  /// MPI 3.1, section 5.12.2.
  ///
  /// - Throws: As ``broadcast(_:root:)-(UnsafeMutableBufferPointer<Element>,_)``.
  public func startBroadcast<Element: MessageElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, root: Int, owner: AnyObject
  ) throws(MPIError) -> Request {
    Request(try beginBroadcast(buffer, root, owner), on: self)
  }

  /// Starts to complete a buffer in which each rank has filled its block of the layout; all ranks.
  ///
  /// All ranks start collectives in the same order. MPI 3.1, section 5.12.5.
  ///
  /// - Throws: As ``allGather(inPlace:layout:)``.
  public func startAllGather<Element: MessageElement>(
    inPlace buffer: UnsafeMutableBufferPointer<Element>, layout: BlockLayout, owner: AnyObject
  ) throws(MPIError) -> Request {
    Request(try beginAllGather(inPlace: buffer, layout, owner), on: self)
  }
}
