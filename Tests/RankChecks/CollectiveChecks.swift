// SPDX-License-Identifier: Apache-2.0
import MessagePassing

/// Collectives, on every element type and communicator.
let collectiveChecks: [String: RankCheck] = [
  "broadcast": { environment in
    try onEachCase(environment) { communicator, type, count in
      for root in 0..<communicator.size { try broadcast(type, count, communicator, root) }
    }
  },
  "gather": { environment in
    try onEachCase(environment) { communicator, type, count in
      for root in 0..<communicator.size { try gather(type, count, communicator, root) }
    }
  },
  "all-gather": { environment in
    try onEachCase(environment) { try allGather($1, $2, $0) }
  },
  "all-to-all": { environment in
    try onEachCase(environment) { try allToAll($1, $2, $0) }
  },
  "all-reduce": { environment in
    try onEachCommunicator(environment) { communicator in
      try allReduce(Int32.self, communicator)
      try allReduce(Int64.self, communicator)
      try allReduce(Int.self, communicator)
      try allReduce(UInt8.self, communicator)
      try allReduce(UInt32.self, communicator)
      try allReduce(UInt64.self, communicator)
    }
  },
  "values": { environment in
    try onEachCommunicator(environment, values)
  },
]

private func onEachCase(
  _ environment: MPIEnvironment,
  _ body: (Communicator, any CheckedElement.Type, Int) throws -> Void
) throws {
  try onEachCommunicator(environment) { communicator in
    try communicator.barrier()
    for type in elementTypes {
      for count in elementCounts { try body(communicator, type, count) }
    }
  }
}

/// Blocks whose sizes differ by rank, with gaps in between; the block of rank 1 is empty.
private func unevenLayout(_ count: Int, ranks: Int) throws -> BlockLayout {
  let counts = (0..<ranks).map { $0 == 1 ? 0 : count + $0 }
  return try BlockLayout(
    counts: counts, offsets: (0..<ranks).map { $0 * (count + ranks + 3) })
}

private func broadcast<Element: CheckedElement>(
  _ type: Element.Type, _ count: Int, _ communicator: Communicator, _ root: Int
) throws {
  let expected = block(type, from: root, count: count)
  let box = communicator.rank == root ? Box(expected) : Box<Element>(count: count)
  try communicator.broadcast(box.buffer, root: root)
  try requireEqual(box.elements, expected, "broadcast of \(type) from \(root)")
}

private func gather<Element: CheckedElement>(
  _ type: Element.Type, _ count: Int, _ communicator: Communicator, _ root: Int
) throws {
  let (size, isRoot) = (communicator.size, communicator.rank == root)
  let own = Box(block(type, from: communicator.rank, count: count))
  let all = Box<Element>(count: count * size)
  try communicator.gather(own.constant, into: isRoot ? all.buffer : nil, root: root)
  if isRoot {
    let expected = (0..<size).flatMap { block(type, from: $0, count: count) }
    try requireEqual(all.elements, expected, "gather of \(type)")
  }

  let layout = try unevenLayout(count, ranks: size)
  let part = Box(block(type, from: communicator.rank, count: layout[communicator.rank].count))
  let parts = Box<Element>(count: layout.extent)
  try communicator.gather(
    part.constant, into: isRoot ? parts.buffer : nil, layout: layout, root: root)
  if isRoot { try requireBlocks(parts, layout, "gather") }
}

private func allGather<Element: CheckedElement>(
  _ type: Element.Type, _ count: Int, _ communicator: Communicator
) throws {
  let (size, rank) = (communicator.size, communicator.rank)
  let expected = (0..<size).flatMap { block(type, from: $0, count: count) }
  let own = Box(block(type, from: rank, count: count))
  let all = Box<Element>(count: count * size)
  try communicator.allGather(own.constant, into: all.buffer)
  try requireEqual(all.elements, expected, "allGather of \(type)")

  let inPlace = Box<Element>(count: count * size)
  for index in 0..<count { inPlace.buffer[rank * count + index] = own.buffer[index] }
  try communicator.allGather(inPlace: inPlace.buffer)
  try requireEqual(inPlace.elements, expected, "allGather in place of \(type)")

  let layout = try unevenLayout(count, ranks: size)
  let part = Box(block(type, from: rank, count: layout[rank].count))
  let parts = Box<Element>(count: layout.extent)
  try communicator.allGather(part.constant, into: parts.buffer, layout: layout)
  try requireBlocks(parts, layout, "allGather")

  let completed = Box<Element>(count: layout.extent)
  for (index, element) in zip(layout[rank], part.buffer) { completed.buffer[index] = element }
  try communicator.allGather(inPlace: completed.buffer, layout: layout)
  try requireBlocks(completed, layout, "allGather in place")
}

/// Checks all blocks of a layout, and that the gaps in between are unchanged.
private func requireBlocks<Element: CheckedElement>(
  _ box: Box<Element>, _ layout: BlockLayout, _ what: String
) throws {
  var expected = [Element](repeating: Element(checked: 99), count: layout.extent)
  for rank in 0..<layout.ranks {
    let range = layout[rank]
    if !range.isEmpty {
      expected.replaceSubrange(range, with: block(Element.self, from: rank, count: range.count))
    }
  }
  try requireEqual(box.elements, expected, "\(what) of uneven blocks of \(Element.self)")
}

private func allToAll<Element: CheckedElement>(
  _ type: Element.Type, _ count: Int, _ communicator: Communicator
) throws {
  let (size, rank) = (communicator.size, communicator.rank)
  let blocks = Box((0..<size).flatMap { block(type, from: rank, to: $0, count: count) })
  let all = Box<Element>(count: count * size)
  try communicator.allToAll(blocks.constant, into: all.buffer)
  let expected = (0..<size).flatMap { block(type, from: $0, to: rank, count: count) }
  try requireEqual(all.elements, expected, "allToAll of \(type)")

  // The size of the block from one rank to another: 0 for rank 1.
  func length(_ source: Int, _ destination: Int) -> Int {
    destination == 1 ? 0 : count + 2 * source + destination
  }
  let send = try BlockLayout(counts: (0..<size).map { length(rank, $0) })
  let receive = try BlockLayout(counts: (0..<size).map { length($0, rank) })
  let mine = Box((0..<size).flatMap { block(type, from: rank, to: $0, count: length(rank, $0)) })
  let theirs = Box<Element>(count: receive.extent)
  try communicator.allToAll(mine.constant, layout: send, into: theirs.buffer, layout: receive)
  let uneven = (0..<size).flatMap { block(type, from: $0, to: rank, count: length($0, rank)) }
  try requireEqual(theirs.elements, uneven, "allToAll of uneven blocks of \(type)")
}

private func allReduce<Element: CheckedElement & IntegerMessageElement>(
  _ type: Element.Type, _ communicator: Communicator
) throws {
  // Open MPI's AVX kernels saturate bytes, so no sum here overflows.
  let blocks = (0..<communicator.size).map { rank in
    (0..<17).map { Element(checked: $0 + 11 * rank) }
  }
  let cases: [(IntegerReduction, (Element, Element) -> Element)] = [
    (.sum, { $0 &+ $1 }), (.minimum, { min($0, $1) }), (.maximum, { max($0, $1) }),
    (.bitwiseAnd, { $0 & $1 }), (.bitwiseOr, { $0 | $1 }),
  ]
  for (reduction, combine) in cases {
    let expected = blocks.dropFirst().reduce(blocks[0]) { zip($0, $1).map(combine) }
    let box = Box(blocks[communicator.rank])
    try communicator.allReduce(inPlace: box.buffer, reduction)
    try requireEqual(box.elements, expected, "\(reduction) of \(type)")
    let one = try communicator.allReduce(blocks[communicator.rank][5], reduction)
    try requireEqual(one, expected[5], "\(reduction) of one \(type)")
  }
  let empty = Box<Element>([])
  try communicator.allReduce(inPlace: empty.buffer, .sum)
}

private func values(_ communicator: Communicator) throws {
  let (size, rank) = (communicator.size, communicator.rank)
  func bytes(_ rank: Int) -> [UInt8] { block(UInt8.self, from: rank, count: 5 * rank) }
  let all = (0..<size).map(bytes)
  try requireEqual(try communicator.allGather(Double(rank)), (0..<size).map { Double($0) })
  try requireEqual(try communicator.allGather(bytes: bytes(rank)), all, "bytes of all ranks")
  for root in 0..<size {
    try requireEqual(try communicator.broadcast(rank + 3, root: root), root + 3)
    try requireEqual(try communicator.broadcast(bytes: bytes(rank), root: root), bytes(root))
  }
}

/// `Communicator.bytesSent`.
let trafficChecks: [String: RankCheck] = [
  "traffic": { environment in
    try onEachCommunicator(environment) { communicator in
      try messages(communicator)
      try collectives(communicator)
      try layouts(communicator)
    }
  }
]

/// Fails unless the body sends exactly `expected` bytes to other ranks.
private func requireBytes(
  _ expected: Int, _ communicator: Communicator, _ what: String, _ body: () throws -> Void
) throws {
  let before = communicator.bytesSent
  try body()
  try requireEqual(communicator.bytesSent - before, expected, what)
}

/// Messages to the next rank; with one rank that is the rank itself, which doesn't count.
private func messages(_ communicator: Communicator) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  let (next, previous) = ((rank + 1) % size, (rank + size - 1) % size)
  let others = size > 1 ? 1 : 0
  let (sent, received) = (Box<Float>(count: 7), Box<Float>(count: 7))
  defer { withExtendedLifetime((sent, received)) {} }
  try requireBytes(28 * others, communicator, "send-receive") {
    try communicator.sendReceive(sent.constant, to: next, into: received.buffer, from: previous)
  }
  try requireBytes(28 * others, communicator, "requests") {
    let group = RequestGroup(capacity: 2)
    try group.startReceive(
      into: received.buffer, from: previous, on: communicator, owner: received)
    try group.startSend(
      sent.constant, to: next, on: communicator, owner: sent)
    try group.waitAll()
  }
}

private func collectives(_ communicator: Communicator) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  let (all, others) = (Box<Double>(count: 3 * size), size - 1)
  let (own, received) = (Box<Double>(count: 3), Box<Double>(count: 3 * size))
  defer { withExtendedLifetime((all, own, received)) {} }
  try requireBytes(24 * others, communicator, "all-gather in place") {
    try communicator.allGather(inPlace: all.buffer)
  }
  try requireBytes(rank == size - 1 ? 24 * size * others : 0, communicator, "broadcast") {
    try communicator.broadcast(all.buffer, root: size - 1)
  }
  try requireBytes(rank == 0 ? 0 : 24, communicator, "gather") {
    try communicator.gather(own.constant, into: rank == 0 ? all.buffer : nil, root: 0)
  }
  try requireBytes(24 * others, communicator, "all-to-all") {
    try communicator.allToAll(all.constant, into: received.buffer)
  }
  try requireBytes(0, communicator, "barrier") { try communicator.barrier() }
}

/// Collectives of blocks whose sizes differ: rank r has r elements.
private func layouts(_ communicator: Communicator) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  let layout = try BlockLayout(counts: Array(0..<size))
  let all = Box<Int32>(count: max(layout.extent, rank))
  defer { withExtendedLifetime(all) {} }
  try requireBytes(4 * rank * (size - 1), communicator, "all-gather with a layout") {
    try communicator.allGather(inPlace: all.buffer, layout: layout)
  }
  try requireBytes(rank == 0 ? 0 : 4 * rank, communicator, "gather with a layout") {
    let own = UnsafeBufferPointer(rebasing: all.buffer[..<rank])
    try communicator.gather(
      own, into: rank == 0 ? all.buffer : nil, layout: layout, root: 0)
  }
}
