// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

/// A communication in flight: MPI's handle, what it is, and what it needs to stay alive.
struct Operation {
  let handle: MPI_Request
  let call: StaticString
  /// The other rank; the root of a broadcast; -1 where all ranks take part alike.
  let peer: Int32
  /// The message's tag; -1 where there is none.
  let tag: Int32
  let count: Int
  /// Whoever keeps the buffers' memory.
  let owner: AnyObject
  /// The counts and offsets that MPI reads while the operation runs.
  var layout: BlockLayout?

  /// The operation in words, for the person whose program dropped it.
  var summary: String {
    let place = peer < 0 ? "" : tag < 0 ? ", root \(peer)" : ", peer \(peer), tag \(tag)"
    return "\(call) of \(count) elements\(place)"
  }
}

/// Starting operations: the checks at the door, and the raw calls.
extension Communicator {
  func beginSend<Element: MessageElement>(
    _ buffer: UnsafeBufferPointer<Element>, _ destination: Int, _ tag: Int, _ owner: AnyObject
  ) throws(MPIError) -> Operation {
    let call: StaticString = "MPI_Isend"
    let count = try count(buffer.count, call)
    let (peer, label) = (try member(destination, call), try self.tag(tag, call))
    var handle: MPI_Request?
    try check(
      MPI_Isend(
        buffer.baseAddress, count, Element.messageType.datatype, peer, label, live(call), &handle),
      call, rank: worldRank)
    noteSent(buffer.count, Element.self, toPeer: destination)
    return Operation(
      handle: handle ?? clockstep_request_null(), call: call, peer: peer, tag: label,
      count: buffer.count, owner: owner)
  }

  func beginReceive<Element: MessageElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, _ source: Int, _ tag: Int, _ owner: AnyObject
  ) throws(MPIError) -> Operation {
    let call: StaticString = "MPI_Irecv"
    let count = try count(buffer.count, call)
    let (peer, label) = (try member(source, call), try self.tag(tag, call))
    var handle: MPI_Request?
    try check(
      MPI_Irecv(
        buffer.baseAddress, count, Element.messageType.datatype, peer, label, live(call), &handle),
      call, rank: worldRank)
    return Operation(
      handle: handle ?? clockstep_request_null(), call: call, peer: peer, tag: label,
      count: buffer.count, owner: owner)
  }

  func beginBroadcast<Element: MessageElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, _ root: Int, _ owner: AnyObject
  ) throws(MPIError) -> Operation {
    let call: StaticString = "MPI_Ibcast"
    let (count, root) = (try count(buffer.count, call), try member(root, call))
    var handle: MPI_Request?
    try check(
      MPI_Ibcast(
        buffer.baseAddress, count, Element.messageType.datatype, root, live(call), &handle),
      call, rank: worldRank)
    noteSent(buffer.count, Element.self, to: rank == Int(root) ? size - 1 : 0)
    return Operation(
      handle: handle ?? clockstep_request_null(), call: call, peer: root, tag: -1,
      count: buffer.count, owner: owner)
  }

  func beginAllGather<Element: MessageElement>(
    inPlace buffer: UnsafeMutableBufferPointer<Element>, _ layout: BlockLayout, _ owner: AnyObject
  ) throws(MPIError) -> Operation {
    let call: StaticString = "MPI_Iallgatherv"
    try requireLayout(layout, in: buffer.count, call)
    let type = Element.messageType.datatype
    var handle: MPI_Request?
    try check(
      MPI_Iallgatherv(
        clockstep_in_place(), 0, type, buffer.baseAddress, layout.counts, layout.offsets, type,
        live(call), &handle),
      call, rank: worldRank)
    noteSent(layout[rank].count, Element.self, to: size - 1)
    return Operation(
      handle: handle ?? clockstep_request_null(), call: call, peer: -1, tag: -1,
      count: layout.extent, owner: owner, layout: layout)
  }
}
