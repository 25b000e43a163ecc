// SPDX-License-Identifier: Apache-2.0
import MessagePassing

/// Checks that end the job; the test expects its status and message.
let fatalChecks: [String: RankCheck] = [
  "dropped-request": { environment in
    let world = environment.world
    if world.rank == world.size - 1 {
      let box = Box<Float>(count: 7)
      _ = try world.startReceive(into: box.buffer, from: 0, tag: 42, owner: box)
    }
    try waitForever(world)
  },

  "dropped-group": { environment in
    let world = environment.world
    if world.rank == world.size - 1 {
      let (group, box) = (RequestGroup(capacity: 4), Box<Float>(count: 7))
      for tag in 42..<45 {
        try group.startReceive(into: box.buffer, from: 0, tag: tag, on: world, owner: box)
      }
    }
    try waitForever(world)
  },

  "abort": { environment in
    let world = environment.world
    if world.rank == world.size - 1 { world.abort(status: 75) }
    try waitForever(world)
  },

  "failure": { environment in
    let world = environment.world
    if world.rank == world.size - 1 { try requireEqual(1, 2, "on purpose") }
    try waitForever(world)
  },
]

/// Waits for a message that nobody sends.
private func waitForever(_ world: Communicator) throws {
  let box = Box<UInt8>(count: 1)
  try world.receive(into: box.buffer, from: world.rank, tag: 1000)
}
