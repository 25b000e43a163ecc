// SPDX-License-Identifier: Apache-2.0
import Foundation
import MessagePassing

let waitingChecks: [String: RankCheck] = [
  // The last rank comes late to everything; the others are told how long they wait.
  "long-wait": { environment in
    let world = environment.world
    let isLate = world.rank == world.size - 1
    let own = Box([7])
    let group = RequestGroup(capacity: 1)
    let waits: [() throws -> Void] = [
      { try world.barrier() }, { _ = try world.allGather(world.rank) },
      { try world.broadcast(own.buffer, root: world.size - 1) },
      {
        if isLate {
          for peer in 0..<world.size - 1 { try world.send([7], to: peer) }
        } else {
          try group.startReceive(into: own.buffer, from: world.size - 1, on: world, owner: own)
          try group.waitAll()
        }
      },
    ]
    for (number, wait) in waits.enumerated() {
      try world.barrier()
      var longest = 0.0
      world.observeWaits { longest = max(longest, $0) }
      if isLate { usleep(700_000) }
      try wait()
      world.observeWaits(nil)
      try require(isLate || longest > 0.2, "wait \(number): \(longest) s")
      try require(longest < 30, "wait \(number): \(longest) s")
    }
  },

  // Nobody sends: the observer ends each kind of wait with its reason.
  "abandoned-wait": { environment in
    let world = environment.world
    let group = RequestGroup(capacity: 1)
    let waits: [() throws -> Void] = [
      {
        let box = Box<UInt8>(count: 1)
        try world.receive(into: box.buffer, from: world.rank, tag: 1)
      },
      {
        let box = Box<UInt8>(count: 1)
        let request = try world.startReceive(
          into: box.buffer, from: world.rank, tag: 2, owner: box)
        try request.wait()
      },
      {
        let box = Box<UInt8>(count: 1)
        try group.startReceive(into: box.buffer, from: world.rank, tag: 3, on: world, owner: box)
        try group.waitAll()
      },
      {
        var loop = world.waitLoop()
        while true { try loop.pause() }
      },
    ]
    world.observeWaits { _ throws(MPIError) in throw .waitAbandoned(reason: "enough") }
    for (number, wait) in waits.enumerated() {
      try requireError("wait \(number)", wait) { $0 == .waitAbandoned(reason: "enough") }
    }
    world.observeWaits(nil)
    // Receives are still posted, so MPI can't be finalized in order.
    if world.rank == 0 { print("passed: abandoned-wait on \(world.size)") }
    fflush(nil)
    try world.barrier()
    world.abort(status: 3)
  },
]
