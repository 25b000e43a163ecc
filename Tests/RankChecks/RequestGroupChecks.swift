// SPDX-License-Identifier: Apache-2.0
import MessagePassing

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
    try requireError("one too many") {
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
      try requireEqual(group.count, left, "left")
    }
  },

  // A chain that restarts itself from inside the completion, in a group with no room to spare.
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
]

/// Every rank to every rank, completed in each of the three ways.
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
  try requireEqual(group.count, 0, "left")
  if round % 3 != 0 { try requireEqual(labels, Set(0..<2 * size), "labels") }
  for peer in 0..<size {
    let expected = block(Float.self, from: peer, to: rank, count: count)
    try require(boxes[peer].elements == expected, "round \(round) from \(peer) differs")
  }
}
