// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

/// Collective operations: every rank of the communicator must call them, in the same order.
///
/// MPI 3.1, chapter 5.
extension Communicator {
  /// Returns when all ranks have called it.
  ///
  /// MPI 3.1, section 5.3.
  ///
  /// - Throws: What MPI reports, or ``MPIError/communicatorClosed(call:rank:)``.
  public func barrier() throws(MPIError) {
    let barrier = try begin("MPI_Ibarrier", on: UInt8.self, count: 0, sent: 0) {
      _, communicator, request in
      MPI_Ibarrier(communicator, &request)
    }
    try wait(for: barrier)
  }

  /// Copies the root's buffer to all ranks.
  ///
  /// MPI 3.1, section 5.4.
  ///
  /// - Parameters:
  ///   - buffer: Read on `root`, overwritten elsewhere; of the same count on all ranks.
  ///   - root: The rank that has the data, the same on all ranks.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` for a root out of range,
  ///   ``MPIError/tooManyElements(call:rank:count:)``, or what MPI reports.
  public func broadcast<Element: MessageElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, root: Int
  ) throws(MPIError) {
    try wait(for: beginBroadcast(buffer, root: root))
  }

  /// Starts copying the root's buffer to all ranks.
  ///
  /// The buffer must not be accessed until the request has completed. MPI 3.1, section 5.12.2.
  ///
  /// - Throws: As ``broadcast(_:root:)-(UnsafeMutableBufferPointer<Element>,_)``.
  public func startBroadcast<Element: MessageElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, root: Int, owner: AnyObject
  ) throws(MPIError) -> Request {
    Request(try beginBroadcast(buffer, root: root, owner: owner), on: self)
  }

  func beginBroadcast<Element: MessageElement>(
    _ buffer: UnsafeMutableBufferPointer<Element>, root: Int, owner: AnyObject? = nil
  ) throws(MPIError) -> Operation {
    let call: StaticString = "MPI_Ibcast"
    let count = try checkedCount(buffer.count, call)
    let source = try checkedRank(root, call)
    return try begin(
      call, on: Element.self, count: buffer.count,
      sent: rank == root ? buffer.count &* (size - 1) : 0, peer: source, owner: owner
    ) { type, communicator, request in
      MPI_Ibcast(buffer.baseAddress, count, type, source, communicator, &request)
    }
  }

  /// Gathers the blocks of all ranks on the root.
  ///
  /// MPI 3.1, section 5.5.
  ///
  /// - Parameters:
  ///   - block: This rank's block.
  ///   - buffer: Receives all blocks on `root`; ignored elsewhere, where it may be `nil`.
  ///   - layout: Where each rank's block goes, the same on all ranks; `nil` for blocks of equal
  ///     size in the order of ranks.
  ///   - root: The rank that receives the data, the same on all ranks.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if block, buffer, layout or root
  ///   don't fit, ``MPIError/tooManyElements(call:rank:count:)``, or what MPI reports.
  public func gather<Element: MessageElement>(
    _ block: UnsafeBufferPointer<Element>, into buffer: UnsafeMutableBufferPointer<Element>?,
    layout: BlockLayout? = nil, root: Int
  ) throws(MPIError) {
    let call: StaticString = layout == nil ? "MPI_Igather" : "MPI_Igatherv"
    let (count, to) = (try checkedCount(block.count, call), try checkedRank(root, call))
    if let layout {
      try requireLayout(layout, in: rank == root ? buffer?.count ?? 0 : layout.extent, call)
      try requireOwnBlock(block.count, layout, call)
    } else if rank == root {
      try requireBlocks(buffer?.count ?? 0, of: block.count, call)
    }
    let gather = try begin(
      call, on: Element.self, count: block.count, sent: rank == root ? 0 : block.count, peer: to
    ) { type, communicator, request in
      if let layout {
        MPI_Igatherv(
          block.baseAddress, count, type, buffer?.baseAddress, layout.counts, layout.offsets, type,
          to, communicator, &request)
      } else {
        MPI_Igather(
          block.baseAddress, count, type, buffer?.baseAddress, count, type, to, communicator,
          &request)
      }
    }
    try wait(for: gather)
  }

  /// Gathers the blocks of all ranks on every rank.
  ///
  /// MPI 3.1, section 5.7.
  ///
  /// - Parameters:
  ///   - block: This rank's block.
  ///   - buffer: Receives all blocks; must not overlap `block`.
  ///   - layout: Where each rank's block goes, the same on all ranks; `nil` for blocks of equal
  ///     size in the order of ranks.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if block, buffer or layout don't
  ///   fit, ``MPIError/tooManyElements(call:rank:count:)``, or what MPI reports.
  public func allGather<Element: MessageElement>(
    _ block: UnsafeBufferPointer<Element>, into buffer: UnsafeMutableBufferPointer<Element>,
    layout: BlockLayout? = nil
  ) throws(MPIError) {
    try wait(for: beginAllGather(block, into: buffer, layout: layout))
  }

  /// Completes a buffer in which each rank has filled its own block.
  ///
  /// MPI 3.1, section 5.7.
  ///
  /// - Parameters:
  ///   - buffer: All blocks, of which this rank's is filled.
  ///   - layout: Where each rank's block lies, the same on all ranks; `nil` for blocks of equal
  ///     size in the order of ranks.
  /// - Throws: As ``allGather(_:into:layout:)``.
  public func allGather<Element: MessageElement>(
    inPlace buffer: UnsafeMutableBufferPointer<Element>, layout: BlockLayout? = nil
  ) throws(MPIError) {
    try wait(for: beginAllGather(nil, into: buffer, layout: layout))
  }

  /// Starts completing a buffer in which each rank has filled its own block.
  ///
  /// The buffer must not be accessed until the request has completed. MPI 3.1, section 5.12.5.
  ///
  /// - Throws: As ``allGather(_:into:layout:)``.
  public func startAllGather<Element: MessageElement>(
    inPlace buffer: UnsafeMutableBufferPointer<Element>, layout: BlockLayout? = nil,
    owner: AnyObject
  ) throws(MPIError) -> Request {
    Request(try beginAllGather(nil, into: buffer, layout: layout, owner: owner), on: self)
  }

  /// - Parameter block: `nil` if this rank's block is in `buffer` already.
  func beginAllGather<Element: MessageElement>(
    _ block: UnsafeBufferPointer<Element>?, into buffer: UnsafeMutableBufferPointer<Element>,
    layout: BlockLayout?, owner: AnyObject? = nil
  ) throws(MPIError) -> Operation {
    let call: StaticString = layout == nil ? "MPI_Iallgather" : "MPI_Iallgatherv"
    if let layout { try requireLayout(layout, in: buffer.count, call) }
    let own = block?.count ?? layout?[rank].count ?? buffer.count / size
    let count = try checkedCount(own, call)
    if let layout {
      try requireOwnBlock(own, layout, call)
    } else {
      try requireBlocks(buffer.count, of: own, call)
    }
    let source: UnsafeRawPointer? =
      if let block { UnsafeRawPointer(block.baseAddress) } else {
        UnsafeRawPointer(clockstep_in_place())
      }
    return try begin(
      call, on: Element.self, count: buffer.count, sent: own &* (size - 1), layout: layout,
      owner: owner
    ) { type, communicator, request in
      if let layout {
        MPI_Iallgatherv(
          source, count, type, buffer.baseAddress, layout.counts, layout.offsets, type,
          communicator, &request)
      } else {
        MPI_Iallgather(
          source, count, type, buffer.baseAddress, count, type, communicator, &request)
      }
    }
  }

  /// Sends one block to each rank and receives one from each, all of equal size.
  ///
  /// Block `r` of `blocks` goes to rank `r`; block `r` of `buffer` comes from it. MPI 3.1, section
  /// 5.8.
  ///
  /// - Parameters:
  ///   - blocks: `size` equal blocks, of the same count on all ranks.
  ///   - buffer: As large as `blocks`; must not overlap it.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if the buffers don't fit,
  ///   ``MPIError/tooManyElements(call:rank:count:)``, or what MPI reports.
  public func allToAll<Element: MessageElement>(
    _ blocks: UnsafeBufferPointer<Element>, into buffer: UnsafeMutableBufferPointer<Element>
  ) throws(MPIError) {
    let call: StaticString = "MPI_Ialltoall"
    let block = blocks.count / size
    let count = try checkedCount(block, call)
    try requireBlocks(blocks.count, of: block, call)
    try requireBlocks(buffer.count, of: block, call)
    let exchange = try begin(
      call, on: Element.self, count: blocks.count, sent: block &* (size - 1)
    ) { type, communicator, request in
      MPI_Ialltoall(
        blocks.baseAddress, count, type, buffer.baseAddress, count, type, communicator, &request)
    }
    try wait(for: exchange)
  }

  /// Sends one block to each rank and receives one from each, of any sizes.
  ///
  /// The block that rank `a` sends to `b` must have the size that `b` expects from `a`. MPI 3.1,
  /// section 5.8.
  ///
  /// - Parameters:
  ///   - blocks: The blocks to send.
  ///   - sendLayout: Where the block for each rank lies in `blocks`.
  ///   - buffer: Receives the blocks; must not overlap `blocks`.
  ///   - receiveLayout: Where the block from each rank goes in `buffer`.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` if a layout doesn't fit, or what MPI
  ///   reports.
  public func allToAll<Element: MessageElement>(
    _ blocks: UnsafeBufferPointer<Element>, layout sendLayout: BlockLayout,
    into buffer: UnsafeMutableBufferPointer<Element>, layout receiveLayout: BlockLayout
  ) throws(MPIError) {
    let call: StaticString = "MPI_Ialltoallv"
    try requireLayout(sendLayout, in: blocks.count, call)
    try requireLayout(receiveLayout, in: buffer.count, call)
    let (own, expected) = (sendLayout[rank].count, receiveLayout[rank].count)
    try require(
      own == expected, call, "this rank sends itself \(own) elements but expects \(expected)")
    var sent = 0
    for peer in 0..<size where peer != rank { sent += sendLayout[peer].count }
    let exchange = try begin(call, on: Element.self, count: blocks.count, sent: sent) {
      type, communicator, request in
      MPI_Ialltoallv(
        blocks.baseAddress, sendLayout.counts, sendLayout.offsets, type,
        buffer.baseAddress, receiveLayout.counts, receiveLayout.offsets, type, communicator,
        &request)
    }
    try wait(for: exchange)
  }
}

/// A reduction operation on integers.
///
/// MPI 3.1, section 5.9.2.
public enum IntegerReduction: Sendable {
  /// The sum. It must not overflow: Open MPI's AVX kernels saturate bytes, others wrap around.
  case sum
  /// The minimum.
  case minimum
  /// The maximum.
  case maximum
  /// The bits that are set on all ranks.
  case bitwiseAnd
  /// The bits that are set on any rank.
  case bitwiseOr

  var operation: MPI_Op {
    switch self {
    case .sum: clockstep_sum()
    case .minimum: clockstep_min()
    case .maximum: clockstep_max()
    case .bitwiseAnd: clockstep_bitwise_and()
    case .bitwiseOr: clockstep_bitwise_or()
    }
  }
}

/// Reductions, for integers only.
///
/// A floating-point sum depends on the order of the additions, which MPI chooses by message size,
/// number of ranks and library version. Code that needs such a sum moves the numbers with the other
/// collectives and adds them in an order of its own.
extension Communicator {
  /// Replaces each integer by its reduction over all ranks, which pass equal counts.
  ///
  /// MPI 3.1, section 5.9.6.
  ///
  /// - Throws: ``MPIError/tooManyElements(call:rank:count:)``, or what MPI reports.
  public func allReduce<Element: IntegerMessageElement>(
    inPlace buffer: UnsafeMutableBufferPointer<Element>, _ reduction: IntegerReduction
  ) throws(MPIError) {
    let call: StaticString = "MPI_Iallreduce"
    let count = try checkedCount(buffer.count, call)
    // A reduce-scatter and an all-gather: each block goes to the rank that adds it up, its sum to
    // all.
    let sent = 2 &* buffer.count / size &* (size - 1)
    let reduce = try begin(call, on: Element.self, count: buffer.count, sent: sent) {
      type, communicator, request in
      MPI_Iallreduce(
        clockstep_in_place(), buffer.baseAddress, count, type, reduction.operation, communicator,
        &request)
    }
    try wait(for: reduce)
  }

  /// Returns the reduction of all ranks' values.
  ///
  /// - Throws: What MPI reports.
  public func allReduce<Element: IntegerMessageElement>(
    _ value: Element, _ reduction: IntegerReduction
  ) throws(MPIError) -> Element {
    var result = value
    try withUnsafeMutablePointer(to: &result) { (pointer) throws(MPIError) in
      try allReduce(inPlace: UnsafeMutableBufferPointer(start: pointer, count: 1), reduction)
    }
    return result
  }
}

/// Collectives on single values and byte arrays, which allocate their results: for setup code, not
/// for the training step.
extension Communicator {
  /// Returns the root's value.
  ///
  /// - Throws: As ``broadcast(_:root:)-(UnsafeMutableBufferPointer<Element>,_)``.
  public func broadcast<Element: MessageElement>(
    _ value: Element, root: Int
  ) throws(MPIError) -> Element {
    var result = value
    try withUnsafeMutablePointer(to: &result) { (pointer) throws(MPIError) in
      try broadcast(UnsafeMutableBufferPointer(start: pointer, count: 1), root: root)
    }
    return result
  }

  /// Returns the root's bytes; the other ranks need not know their number.
  ///
  /// - Throws: ``MPIError/tooManyElements(call:rank:count:)`` on all ranks if there are 2 GiB or
  ///   more, or what MPI reports.
  public func broadcast(bytes: [UInt8], root: Int) throws(MPIError) -> [UInt8] {
    let count = try broadcast(bytes.count, root: root)
    var result = rank == root ? bytes : [UInt8](repeating: 0, count: count)
    try result.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
      try broadcast(buffer, root: root)
    }
    return result
  }

  /// Returns the values of all ranks, in the order of ranks.
  ///
  /// - Throws: What MPI reports.
  public func allGather<Element: MessageElement>(_ value: Element) throws(MPIError) -> [Element] {
    var result = [Element](repeating: value, count: size)
    try result.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
      try allGather(inPlace: buffer)
    }
    return result
  }

  /// Returns the bytes of all ranks, in the order of ranks; their numbers may differ.
  ///
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` on all ranks if there are 2 GiB or
  ///   more in total, or what MPI reports.
  public func allGather(bytes: [UInt8]) throws(MPIError) -> [[UInt8]] {
    let layout = try BlockLayout(counts: try allGather(bytes.count))
    var all = [UInt8](repeating: 0, count: layout.extent)
    all.replaceSubrange(layout[rank], with: bytes)
    try all.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
      try allGather(inPlace: buffer, layout: layout)
    }
    return (0..<size).map { Array(all[layout[$0]]) }
  }
}
