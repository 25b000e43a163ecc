// SPDX-License-Identifier: Apache-2.0
// mpirun starts this program with the name of one check; tests read its status and output.
import Foundation
import MessagePassing

let checks = [
  environmentChecks, pointToPointChecks, nonBlockingChecks, groupChecks, collectiveChecks,
  trafficChecks, errorChecks, waitingChecks, agreementChecks, trainingChecks,
].reduce(into: [:]) { all, group in all.merge(group) { _, new in new } }

guard let name = CommandLine.arguments.dropFirst().first, let check = checks[name] else {
  if LaunchEnvironment.current.isFirst {
    print("usage: RankChecks CHECK\n" + checks.keys.sorted().joined(separator: "\n"))
  }
  exit(64)
}

do {
  let environment = try MPIEnvironment()
  let world = environment.world
  do {
    try check(environment)
    if world.rank == 0 { print("passed: \(name) on \(world.size)") }
    // The check "finalize" has already done it.
    do { try environment.finalize() } catch {
      guard error == .alreadyFinalized else { throw error }
    }
  } catch {
    report(error, rank: world.rank)
    world.abort(status: 1)
  }
} catch {
  report(error, rank: LaunchEnvironment.current.rank ?? 0)
  exit(1)
}

func report(_ error: any Error, rank: Int) {
  FileHandle.standardError.write(Data("check failed: rank \(rank): \(error)\n".utf8))
}
