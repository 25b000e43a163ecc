// SPDX-License-Identifier: Apache-2.0
import Foundation
import Machine
import MessagePassing

/// Starting and ending MPI, and the communicators of a job.
let environmentChecks: [String: RankCheck] = [
  "environment": { environment in
    let world = environment.world
    let launch = environment.launch
    if launch.launcher != nil {
      try requireEqual(launch.launcher, .openMPI)
      try requireEqual(launch.rank, world.rank, "the launcher's rank")
      try requireEqual(launch.size, world.size, "the launcher's size")
    }
    try requireEqual(launch.isFirst, world.rank == 0)
    try require(environment.threadLevel >= .funneled, "\(environment.threadLevel)")
    try requireEqual(Host.name, ProcessInfo.processInfo.hostName, "host")
    try require(environment.libraryVersion.contains("Open MPI"), environment.libraryVersion)
    try requireEqual(environment.selfCommunicator.size, 1)
    try requireError("a second initialization") {
      _ = try MPIEnvironment()
    } is: {
      $0 == .alreadyInitialized
    }
  },

  "finalize": { environment in
    let duplicate = try environment.world.duplicate()
    try environment.finalize()
    try requireError("a second finalization") {
      try environment.finalize()
    } is: {
      $0 == .alreadyFinalized
    }
    try requireError("an initialization after finalization") {
      _ = try MPIEnvironment()
    } is: {
      $0 == .alreadyFinalized
    }
    for communicator in [environment.world, duplicate] {
      try requireError("a barrier after finalization") {
        try communicator.barrier()
      } is: {
        if case .communicatorClosed("MPI_Ibarrier", _) = $0 { true } else { false }
      }
    }
  },

  "communicators": { environment in
    let world = environment.world
    let reversed = try world.split(color: 0, key: -world.rank)
    try requireEqual(reversed?.rank, world.size - 1 - world.rank, "reversed rank")
    let pair = try world.split(color: world.rank / 2)
    try requireEqual(pair?.rank, world.rank % 2, "rank in the pair")
    try requireEqual(pair?.size, min(2, world.size - world.rank / 2 * 2), "size of the pair")
    let shared = try world.splitBySharedMemory()
    try requireEqual([shared.rank, shared.size], [world.rank, world.size], "ranks of this host")
    try requireEqual(try world.split(color: nil) == nil, true, "no color")

    let duplicate = try world.duplicate()
    try requireEqual([duplicate.rank, duplicate.size], [world.rank, world.size], "duplicate")
    try duplicate.free()
    try requireError("a second free") {
      try duplicate.free()
    } is: {
      if case .communicatorClosed("MPI_Comm_free", _) = $0 { true } else { false }
    }
    for own in [world, environment.selfCommunicator] {
      try requireError("freeing a communicator of the environment") {
        try own.free()
      } is: {
        if case .invalidArgument("MPI_Comm_free", _, _) = $0 { true } else { false }
      }
    }
    try world.barrier()
  },

  // These two end the job because of the last rank.
  "abort": { environment in
    let world = environment.world
    if world.rank == world.size - 1 { world.abort(status: 75) }
    try waitIndefinitely(world)
  },

  "failure": { environment in
    let world = environment.world
    if world.rank == world.size - 1 { try requireEqual(1, 2, "on purpose") }
    try waitIndefinitely(world)
  },
]

/// Waits for a message that nobody sends.
func waitIndefinitely(_ world: Communicator) throws {
  let box = Box<UInt8>(count: 1)
  try world.receive(into: box.buffer, from: world.rank, tag: 1000)
}
