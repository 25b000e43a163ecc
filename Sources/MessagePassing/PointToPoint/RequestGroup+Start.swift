// SPDX-License-Identifier: Apache-2.0

extension RequestGroup {
  /// Starts to send a message; this rank.
  ///
  /// - Parameters:
  ///   - buffer: The message, not to be changed before it has completed.
  ///   - destination: The receiving rank of `communicator`.
  ///   - tag: The message's tag.
  ///   - communicator: The ranks among which it is sent.
  ///   - owner: Keeps the buffer's memory; the group keeps it alive until completion.
  ///   - label: What ``progress(_:)`` and ``waitSome(_:)`` say when it has completed.
  /// - Throws: ``MPIError/groupFull(capacity:rank:)``, or as ``Communicator/send(_:to:tag:)``.
  public func startSend<Element: MessageElement>(
    _ buffer: UnsafeBufferPointer<Element>, to destination: Int, tag: Int = 0,
    on communicator: Communicator, owner: AnyObject, label: Int = 0
  ) throws(MPIError) {
    try add(label: label, on: communicator) { () throws(MPIError) in
      try communicator.beginSend(buffer, destination, tag, owner)
    }
  }

  /// Starts to receive a message; this rank.
  ///
  /// - Parameters:
  ///   - buffer: Where the message goes, not to be used before it has completed.
  ///   - source: The sending rank of `communicator`.
  ///   - tag: The message's tag.
  ///   - communicator: The ranks among which it is sent.
  ///   - owner: Keeps the buffer's memory; the group keeps it alive until completion.
  ///   - label: What ``progress(_:)`` and ``waitSome(_:)`` say when it has completed.
  /// - Throws: ``MPIError/groupFull(capacity:rank:)``, or as ``Communicator/send(_:to:tag:)``.
  public func startReceive<Element: MessageElement>(
    into buffer: UnsafeMutableBufferPointer<Element>, from source: Int, tag: Int = 0,
    on communicator: Communicator, owner: AnyObject, label: Int = 0
  ) throws(MPIError) {
    try add(label: label, on: communicator) { () throws(MPIError) in
      try communicator.beginReceive(buffer, source, tag, owner)
    }
  }

  /// Starts to copy the root's buffer to all ranks; all ranks, collectives in the same order.
  ///
  /// - Throws: ``MPIError/groupFull(capacity:rank:)``, or as
  ///   ``Communicator/startBroadcast(_:root:owner:)``.
  public func startBroadcast<Element: MessageElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, root: Int, on communicator: Communicator,
    owner: AnyObject, label: Int = 0
  ) throws(MPIError) {
    try add(label: label, on: communicator) { () throws(MPIError) in
      try communicator.beginBroadcast(buffer, root, owner)
    }
  }

  /// Starts to complete a buffer in which each rank has filled its block of the layout; all ranks.
  ///
  /// - Throws: ``MPIError/groupFull(capacity:rank:)``, or as
  ///   ``Communicator/startAllGather(inPlace:layout:owner:)``.
  public func startAllGather<Element: MessageElement>(
    inPlace buffer: UnsafeMutableBufferPointer<Element>, layout: BlockLayout,
    on communicator: Communicator, owner: AnyObject, label: Int = 0
  ) throws(MPIError) {
    try add(label: label, on: communicator) { () throws(MPIError) in
      try communicator.beginAllGather(inPlace: buffer, layout, owner)
    }
  }
}
