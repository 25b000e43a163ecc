// SPDX-License-Identifier: Apache-2.0
import Foundation
import MessagePassing

/// Open MPI's class of `MPI_ERR_TRUNCATE`.
private let truncated = 15

/// Rejected arguments, and failures that MPI reports.
let errorChecks: [String: RankCheck] = [
  "arguments": { environment in
    try onEachCommunicator(environment) { communicator in
      try wrongPeers(communicator)
      try wrongShapes(communicator)
      try wrongLayouts(communicator)
    }
  },

  "truncation": { environment in
    try onEachCommunicator(environment) { communicator in
      let (own, rank) = (Box([1, 2, 3, 4]), communicator.rank)
      let sending = try communicator.startSend(own.constant, to: rank, tag: 6, owner: own)
      try requireError("a small buffer") {
        let box = Box<Int>(count: 2)
        try communicator.receive(into: box.buffer, from: rank, tag: 6)
      } is: {
        guard case .callFailed(let failure) = $0 else { return false }
        return failure.call == "MPI_Irecv" && failure.errorClass == truncated
          && failure.rank == environment.world.rank && failure.text.contains("truncated")
      }
      try sending.wait()
    }
  },

  "request-truncation": { environment in
    let world = environment.world
    for isTested in [false, true] {
      let (box, own) = (Box<Int>(count: 2), Box([1, 2, 3, 4]))
      // Sent first: Open MPI reports no truncation if a rank's message to itself matches a posted
      // receive.
      try world.send(own.constant, to: world.rank)
      var request = try world.startReceive(into: box.buffer, from: world.rank, owner: box)
      do {
        if isTested { while try !request.test() {} } else { try request.wait() }
        throw CheckFailure(what: "nothing thrown", place: "isTested \(isTested)")
      } catch let error as MPIError {
        guard case .callFailed(let failure) = error else { throw error }
        try requireEqual([failure.errorClass], [truncated])
        try requireEqual(failure.call, "MPI_Irecv")
      }
    }
  },

  // The failed request is reported once; the other completes, and the group can be reused.
  "group-truncation": { environment in
    let (world, group) = (environment.world, RequestGroup(capacity: 2))
    for round in 0..<3 {
      let (small, fitting, own) = (Box<Int>(count: 1), Box<Int>(count: 4), Box([1, 2, 3, 4]))
      for tag in 0..<2 { try world.send(own.constant, to: world.rank, tag: tag) }
      for (tag, box) in [small, fitting].enumerated() {
        try group.startReceive(into: box.buffer, from: world.rank, tag: tag, on: world, owner: box)
      }
      try requireError("a group with a small buffer") {
        while group.count > 0 {
          switch round {
          case 0: try group.waitAll()
          case 1: try group.progress()
          default: try group.waitSome()
          }
        }
      } is: {
        guard case .callFailed(let failure) = $0 else { return false }
        return failure.call == "MPI_Irecv" && failure.errorClass == truncated
      }
      try group.waitAll()
      try requireEqual(group.count, 0)
      try requireEqual(fitting.elements, own.elements, "round \(round)")
    }
  },
]

private func isInvalid(_ error: MPIError) -> Bool {
  if case .invalidArgument = error { true } else { false }
}

private func wrongPeers(_ communicator: Communicator) throws {
  let (box, size) = (Box<Float>(count: 2), communicator.size)
  for peer in [-1, size, size + Int(Int32.max)] {
    let refused: [() throws -> Void] = [
      { try communicator.broadcast(box.buffer, root: peer) },
      { try communicator.gather(box.constant, into: nil, root: peer) },
      { try communicator.send(box.constant, to: peer) },
      { try communicator.receive(into: box.buffer, from: peer) },
      { _ = try communicator.startSend(box.constant, to: peer, owner: box) },
      { _ = try communicator.startBroadcast(box.buffer, root: peer, owner: box) },
    ]
    for body in refused { try requireError("rank \(peer)", body, is: isInvalid) }
  }
  for tag in [-1, Int.max] {
    try requireError("tag \(tag)") {
      try communicator.send(box.constant, to: 0, tag: tag)
    } is: {
      isInvalid($0)
    }
  }
  for color in [-1, Int.max] {
    try requireError("color \(color)") {
      _ = try communicator.split(color: color)
    } is: {
      isInvalid($0)
    }
  }
}

private func wrongShapes(_ communicator: Communicator) throws {
  let size = communicator.size
  let (own, odd) = (Box<Float>(count: 3), Box<Float>(count: 3 * size + 1))
  let many = UnsafeMutableBufferPointer<Float>(
    start: own.buffer.baseAddress, count: Int(Int32.max) + 1)
  let refused: [() throws -> Void] = [
    { try communicator.allGather(own.constant, into: odd.buffer) },
    { try communicator.allToAll(odd.constant, into: own.buffer) },
    { try communicator.gather(own.constant, into: nil, root: communicator.rank) },
  ]
  for body in refused { try requireError("a wrong shape", body, is: isInvalid) }
  if size > 1 {
    try requireError("a count in place") {
      try communicator.allGather(inPlace: odd.buffer)
    } is: {
      isInvalid($0)
    }
  }
  let tooMany: [() throws -> Void] = [
    { try communicator.broadcast(many, root: 0) },
    { try communicator.send(UnsafeBufferPointer(many), to: 0) },
    { _ = try communicator.startReceive(into: many, from: 0, owner: own) },
  ]
  for body in tooMany {
    try requireError("too many elements", body) {
      if case .tooManyElements(_, _, many.count) = $0 { true } else { false }
    }
  }
}

private func wrongLayouts(_ communicator: Communicator) throws {
  let (size, box) = (communicator.size, Box<Float>(count: 2 * communicator.size))
  let own = UnsafeBufferPointer(rebasing: box.constant[..<2])
  let fitting = try BlockLayout(counts: [Int](repeating: 2, count: size))
  let long = try BlockLayout(counts: [Int](repeating: 3, count: size))
  let extra = try BlockLayout(counts: [Int](repeating: 1, count: size + 1))
  for layout in [long, extra] {
    let refused: [() throws -> Void] = [
      { try communicator.allGather(own, into: box.buffer, layout: layout) },
      { try communicator.allGather(inPlace: box.buffer, layout: layout) },
      { try communicator.gather(own, into: box.buffer, layout: layout, root: 0) },
      {
        try communicator.allToAll(
          box.constant, layout: fitting, into: box.buffer, layout: layout)
      },
      {
        _ = try communicator.startAllGather(inPlace: box.buffer, layout: layout, owner: box)
      },
    ]
    for body in refused { try requireError("a wrong layout", body, is: isInvalid) }
  }
  try requireError("a block of another size") {
    try communicator.allGather(box.constant, into: box.buffer, layout: extra)
  } is: {
    isInvalid($0)
  }
}

/// The observer of long waits.
let waitingChecks: [String: RankCheck] = [
  // The last rank is late to every operation; the others' observers are called meanwhile.
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
      // A rank that gets no core while the last one sleeps has nothing to observe: once more, longer.
      var delay: UInt32 = 700_000
      while true {
        try world.barrier()
        let start = ContinuousClock.now
        var longest = 0.0
        world.observeWaits { longest = max(longest, $0) }
        if isLate { usleep(delay) }
        try wait()
        world.observeWaits(nil)
        let elapsed = (ContinuousClock.now - start) / .seconds(1)
        try require(longest <= elapsed, "wait \(number): \(longest) s within \(elapsed) s")
        let observed = try world.allReduce(isLate || longest > 0.2 ? 1 : 0, .minimum)
        if observed == 1 { break }
        delay *= 2
        try require(delay < 60_000_000, "wait \(number) was never observed")
      }
    }
  },

  // Nobody sends: the observer abandons each kind of wait with its reason.
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
    // Receives are still posted, so MPI can't be finalized.
    if world.rank == 0 { print("passed: abandoned-wait on \(world.size)") }
    fflush(nil)
    try world.barrier()
    world.abort(status: 3)
  },
]
