// SPDX-License-Identifier: Apache-2.0
import MessagePassing

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

  // 20 MB: more than any eager limit, so sender and receiver must meet.
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

/// Each rank sends to each other one, in turn.
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

/// Each rank sends to the next and receives from the one before, all at once.
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
