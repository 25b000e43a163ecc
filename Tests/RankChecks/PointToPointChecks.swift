// SPDX-License-Identifier: Apache-2.0
import MessagePassing

/// Blocking messages between two ranks.
let pointToPointChecks: [String: RankCheck] = [
  "send-receive": { environment in
    try onEachCommunicator(environment) { communicator in
      for type in elementTypes {
        for count in elementCounts {
          try everyPair(type, count, communicator)
          try ring(type, count, communicator)
        }
      }
    }
  },

  // 20 MB: more than any eager limit, so the sender blocks until the receive is posted.
  "large-message": { environment in
    try ring(Float.self, 5_000_000, environment.world)
    try everyPair(UInt8.self, 20_000_000, environment.world)
    let world = environment.world
    let expected = block(Float.self, from: 3, count: 5_000_000)
    let box = world.rank == world.size - 1 ? Box(expected) : Box<Float>(count: expected.count)
    try world.broadcast(box.buffer, root: world.size - 1)
    try require(box.elements == expected, "the large broadcast differs")
  },

  "tags": { environment in
    let world = environment.world
    guard world.size > 1, world.rank < 2 else { return }
    if world.rank == 0 {
      for tag in 0..<5 { try world.send([tag], to: 1, tag: tag) }
    } else {
      for tag in (0..<5).reversed() {
        let box = Box<Int>(count: 3)
        try requireEqual(try world.receive(into: box.buffer, from: 0, tag: tag), 1, "count")
        try requireEqual(box.elements, [tag, 99, 99], "tag \(tag)")
      }
    }
  },
]

/// Every rank sends to every other rank, one pair after another.
private func everyPair<Element: CheckedElement>(
  _ type: Element.Type, _ count: Int, _ communicator: Communicator
) throws {
  for source in 0..<communicator.size {
    for destination in 0..<communicator.size where source != destination {
      let expected = block(type, from: source, to: destination, count: count)
      if communicator.rank == source {
        try communicator.send(expected, to: destination, tag: count % 1000)
      } else if communicator.rank == destination {
        let box = Box<Element>(count: count)
        let found = try communicator.receive(into: box.buffer, from: source, tag: count % 1000)
        try requireEqual(found, count, "count")
        try require(box.elements == expected, "\(type) from \(source) to \(destination) differ")
      }
    }
  }
}

/// Every rank sends to the next rank and receives from the previous one, all at once.
private func ring<Element: CheckedElement>(
  _ type: Element.Type, _ count: Int, _ communicator: Communicator
) throws {
  let (size, rank) = (communicator.size, communicator.rank)
  let before = (rank + size - 1) % size
  let own = Box(block(type, from: rank, count: count))
  let box = Box<Element>(count: count)
  let found = try communicator.sendReceive(
    own.constant, to: (rank + 1) % size, into: box.buffer, from: before, tag: 4)
  try requireEqual(found, count, "count")
  try require(box.elements == block(type, from: before, count: count), "the ring's \(type) differ")
}

/// Single requests.
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
    try require(try late.test(), "a completed request must stay completed")
    try requireEqual(second.elements, [20 + peer], "tag 2")
    try require(try !early.test(), "tag 1 must not have been received yet")
    // Otherwise the peer's tag 1 could arrive before this rank has tested for it.
    try synchronize(with: peer, on: world)
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
    try require(watched != nil, "a request must keep its buffer's owner")
    let box = Box<Int>(count: 1)
    try world.receive(into: box.buffer, from: world.rank, tag: 9)
    try request.wait()
    try require(watched == nil, "a completed request must release its buffer's owner")
  },
]

/// Returns when the peer has called it, too.
private func synchronize(with peer: Int, on world: Communicator) throws {
  let box = Box<UInt8>(count: 0)
  try world.sendReceive(box.constant, to: peer, into: box.buffer, from: peer, tag: 77)
}

/// Sends to the next rank, receives from the previous one, then runs both non-blocking collectives.
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

/// Groups of requests.
let groupChecks: [String: RankCheck] = [
  "group-reuse": { environment in
    try onEachCommunicator(environment) { communicator in
      let group = RequestGroup(capacity: 2 * communicator.size)
      for round in 0..<6 { try allPairs(group, communicator, round: round) }
    }
  },

  "group-full": { environment in
    let world = environment.world
    let group = RequestGroup(capacity: 1)
    let boxes = [Box<Int>(count: 1), Box([5])]
    try group.startReceive(into: boxes[0].buffer, from: world.rank, on: world, owner: boxes[0])
    try requireError("a request more than the capacity") {
      try group.startSend(boxes[1].constant, to: world.rank, on: world, owner: boxes[1])
    } is: {
      $0 == .groupFull(capacity: 1, rank: world.rank)
    }
    try requireEqual(group.count, 1)
    try world.send(boxes[1].constant, to: world.rank)
    try group.waitAll()
    try requireEqual(boxes[0].elements, [5])
    try requireEqual(try group.progress(), 0, "an empty group")
    try requireEqual(try group.waitSome(), 0, "an empty group")
    try RequestGroup(capacity: 0).waitAll()
  },

  "group-out-of-order": { environment in
    let world = environment.world
    let group = RequestGroup(capacity: 3)
    let boxes = (0..<3).map { _ in Box<Int>(count: 1) }
    for tag in 0..<3 {
      try group.startReceive(
        into: boxes[tag].buffer, from: world.rank, tag: tag, on: world, owner: boxes[tag],
        label: 100 + tag)
    }
    for (left, tag) in zip([2, 1, 0], [1, 2, 0]) {
      try world.send([tag], to: world.rank, tag: tag)
      var labels: [Int] = []
      while labels.isEmpty { try group.progress { labels.append($0) } }
      try requireEqual(labels, [100 + tag], "completed")
      try requireEqual(boxes[tag].elements, [tag])
      try requireEqual(group.count, left, "in flight afterwards")
    }
  },

  // Each completion starts the next request, in a group of capacity 1.
  "group-restart": { environment in
    let world = environment.world
    let group = RequestGroup(capacity: 1)
    let box = Box<Int>(count: 1)
    var seen: [Int] = []
    try group.startReceive(into: box.buffer, from: world.rank, tag: 0, on: world, owner: box)
    for tag in 0..<4 {
      try world.send([tag], to: world.rank, tag: tag)
      try group.waitSome { label throws(MPIError) in
        seen.append(box.buffer[0])
        if label < 3 {
          try group.startReceive(
            into: box.buffer, from: world.rank, tag: label + 1, on: world, owner: box,
            label: label + 1)
        }
      }
    }
    try requireEqual(seen, [0, 1, 2, 3])
    try requireEqual(group.count, 0)
  },

  "group-collectives": { environment in
    try onEachCommunicator(environment) { communicator in
      let (size, rank) = (communicator.size, communicator.rank)
      let group = RequestGroup(capacity: 2)
      let layout = try BlockLayout(counts: (0..<size).map { 1000 * $0 })
      let expected = (0..<size).flatMap { block(Float.self, from: $0, count: 1000 * $0) }
      let all = Box<Float>(count: layout.extent)
      for index in layout[rank] { all.buffer[index] = expected[index] }
      let copy = Box([size - 1 == rank ? 8 : 0])
      try group.startAllGather(
        inPlace: all.buffer, layout: layout, on: communicator, owner: all)
      try group.startBroadcast(copy.buffer, root: size - 1, on: communicator, owner: copy)
      try group.waitAll()
      try require(all.elements == expected, "gathered blocks differ")
      try requireEqual(copy.elements, [8])
    }
  },

  // These two end the job with status 70.
  "dropped-request": { environment in
    let world = environment.world
    if world.rank == world.size - 1 {
      let box = Box<Float>(count: 7)
      _ = try world.startReceive(into: box.buffer, from: 0, tag: 42, owner: box)
    }
    try waitIndefinitely(world)
  },

  "dropped-group": { environment in
    let world = environment.world
    if world.rank == world.size - 1 {
      let (group, box) = (RequestGroup(capacity: 4), Box<Float>(count: 7))
      for tag in 42..<45 {
        try group.startReceive(into: box.buffer, from: 0, tag: tag, on: world, owner: box)
      }
    }
    try waitIndefinitely(world)
  },
]

/// Every rank sends to every rank; `round` selects one of the three ways of completion.
private func allPairs(_ group: RequestGroup, _ communicator: Communicator, round: Int) throws {
  let (size, rank, count) = (communicator.size, communicator.rank, 10 + 20_000 * (round % 2))
  let boxes = (0..<size).map { _ in Box<Float>(count: count) }
  for peer in 0..<size {
    try group.startReceive(
      into: boxes[peer].buffer, from: peer, tag: round, on: communicator, owner: boxes[peer],
      label: peer)
  }
  for peer in 0..<size {
    let own = Box(block(Float.self, from: rank, to: peer, count: count))
    try group.startSend(
      own.constant, to: peer, tag: round, on: communicator, owner: own, label: size + peer)
  }
  try requireEqual(group.count, 2 * size, "in flight")
  var labels = Set<Int>()
  switch round % 3 {
  case 0: try group.waitAll()
  case 1: while group.count > 0 { try group.progress { labels.insert($0) } }
  default: while group.count > 0 { try group.waitSome { labels.insert($0) } }
  }
  try requireEqual(group.count, 0, "in flight afterwards")
  if round % 3 != 0 { try requireEqual(labels, Set(0..<2 * size), "labels") }
  for peer in 0..<size {
    let expected = block(Float.self, from: peer, to: rank, count: count)
    try require(boxes[peer].elements == expected, "round \(round) from \(peer) differs")
  }
}
