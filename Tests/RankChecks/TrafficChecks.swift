// SPDX-License-Identifier: Apache-2.0
import MessagePassing

/// What must hold of the count of bytes that leave a process, by name.
let trafficChecks: [String: RankCheck] = [
  "traffic": { environment in
    try onEachCommunicator(environment) { communicator in
      try messages(communicator)
      try collectives(communicator)
      try layouts(communicator)
    }
  }
]

/// Fails unless exactly so many bytes leave this process meanwhile.
private func requireBytes(
  _ expected: Int, _ communicator: Communicator, _ what: String, _ body: () throws -> Void
) throws {
  let before = communicator.bytesSent
  try body()
  try requireEqual(communicator.bytesSent - before, expected, what)
}

/// To the next rank, or to this rank itself, which is no traffic.
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

/// Rank r has a block of r elements.
private func layouts(_ communicator: Communicator) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  let layout = try BlockLayout(counts: Array(0..<size))
  let all = Box<Int32>(count: max(layout.extent, rank))
  defer { withExtendedLifetime(all) {} }
  try requireBytes(4 * rank * (size - 1), communicator, "all-gather of a layout") {
    try communicator.allGather(inPlace: all.buffer, layout: layout)
  }
  try requireBytes(rank == 0 ? 0 : 4 * rank, communicator, "gather of a layout") {
    let own = UnsafeBufferPointer(rebasing: all.buffer[..<rank])
    try communicator.gather(
      own, into: rank == 0 ? all.buffer : nil, layout: layout, root: 0)
  }
}
