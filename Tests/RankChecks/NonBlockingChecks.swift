// SPDX-License-Identifier: Apache-2.0
import Coordination
import MessagePassing

let nonBlockingChecks: [String: RankCheck] = [
  "requests": { environment in
    try onEachCommunicator(environment) { communicator in
      for type in elementTypes {
        for count in elementCounts { try exchange(type, count, communicator) }
      }
      try exchange(Float.self, 500_000, communicator)
    }
  },

  "out-of-order": { environment in
    let world = environment.world
    let peer = world.rank ^ 1
    guard peer < world.size else { return }
    let (first, second) = (Box<Int>(count: 1), Box<Int>(count: 1))
    var early = try world.startReceive(into: first.buffer, from: peer, tag: 1, owner: first)
    var late = try world.startReceive(into: second.buffer, from: peer, tag: 2, owner: second)
    try world.send([20 + world.rank], to: peer, tag: 2)
    while try !late.test() {}
    try require(try late.test(), "a completed request stays so")
    try requireEqual(second.elements, [20 + peer], "tag 2")
    try require(try !early.test(), "tag 1 was not sent yet")
    // Without this, a quick peer's tag 1 could come before this rank has looked.
    try agree(with: peer, on: world)
    try world.send([10 + world.rank], to: peer, tag: 1)
    try early.wait()
    try late.wait()
    try requireEqual(first.elements, [10 + peer], "tag 1")
  },

  "request-owners": { environment in
    let world = environment.world
    weak var watched: Box<Int>?
    func start() throws -> Request {
      let box = Box([world.rank])
      watched = box
      return try world.startSend(box.constant, to: world.rank, tag: 9, owner: box)
    }
    let request = try start()
    try require(watched != nil, "the request keeps the owner")
    let box = Box<Int>(count: 1)
    try world.receive(into: box.buffer, from: world.rank, tag: 9)
    try request.wait()
    try require(watched == nil, "a completed request lets go of the owner")
  },
]

private func agree(with peer: Int, on world: Communicator) throws {
  let box = Box<UInt8>(count: 0)
  try world.sendReceive(box.constant, to: peer, into: box.buffer, from: peer, tag: 77)
}

/// To the next, from the one before, then both non-blocking collectives.
private func exchange<Element: CheckedElement>(
  _ type: Element.Type, _ count: Int, _ communicator: Communicator
) throws {
  let (size, rank) = (communicator.size, communicator.rank)
  let before = (rank + size - 1) % size
  let box = Box<Element>(count: count)
  let own = Box(block(type, from: rank, count: count))
  let receiving = try communicator.startReceive(
    into: box.buffer, from: before, tag: 3, owner: box)
  let sending = try communicator.startSend(own.constant, to: (rank + 1) % size, tag: 3, owner: own)
  try sending.wait()
  try receiving.wait()
  try require(box.elements == block(type, from: before, count: count), "\(type) differ")

  let (layout, expected) = (
    try BlockLayout(counts: (0..<size).map { count + $0 }),
    (0..<size).flatMap { block(type, from: $0, count: count + $0) }
  )
  let all = Box<Element>(count: layout.extent)
  for index in layout[rank] { all.buffer[index] = expected[index] }
  let gathering = try communicator.startAllGather(
    inPlace: all.buffer, layout: layout, owner: all)
  let copy = rank == 0 ? own : Box<Element>(count: count)
  let broadcasting = try communicator.startBroadcast(copy.buffer, root: 0, owner: copy)
  try broadcasting.wait()
  try gathering.wait()
  try require(all.elements == expected, "gathered \(type) differ")
  try require(copy.elements == block(type, from: 0, count: count), "broadcast \(type) differ")
}
