// SPDX-License-Identifier: Apache-2.0
import DataParallel
import MessagePassing
import NeuralCore

/// A command's time with MPI: from its start on all ranks to its end on all ranks.
enum Session {
  /// Runs `body` on every rank, as a group.
  ///
  /// An error that all ranks agree on (`Verdict`) is told once, and all ranks leave in order. Any
  /// other error is this rank's alone: it is told with the rank's name, and the job is aborted.
  static func run(_ body: (any ReplicaGroup) throws -> Void) throws {
    let environment: MPIEnvironment
    do {
      environment = try MPIEnvironment()
    } catch {
      throw ExitStatus(status: 69, message: "\(error)")
    }
    let world = environment.world
    do {
      try body(RankGroup(world.duplicate(), host: environment.host))
    } catch let verdict as Verdict {
      if world.rank == 0 {
        Terminal.write("lockstep: \(verdict.message)\n", to: .standardError)
      }
      try? environment.finalise()
      throw ExitStatus(status: verdict.status, message: nil)
    } catch {
      let verdict = Verdict.of(error)
      let place = world.size > 1 ? "rank \(world.rank) (\(environment.host)): " : ""
      Terminal.write("lockstep: \(place)\(verdict.message)\n", to: .standardError)
      world.abort(status: verdict.status)
    }
    try? environment.finalise()
  }

  /// What must be equal on all ranks for equal bits, beside options and data.
  static var facts: [Fact] {
    let advice = "start the same build on machines with the same instruction set"
    return [
      Fact("the version of lockstep", Version.current, advice: advice),
      Fact("the version of oneDNN", ProductLibrary.version, advice: advice),
      Fact("the instruction set", "\(ProductLibrary.instructionSet)", advice: advice),
    ]
  }

  /// Runs `body` here, and makes all ranks throw the same if it fails on any.
  static func agreed<Result>(
    _ group: any ReplicaGroup, _ body: () throws -> Result
  ) throws -> Result {
    var own: Verdict?
    var result: Result?
    do { result = try body() } catch { own = Verdict.of(error) }
    if let verdict = try group.agree(own) { throw verdict }
    guard let result else { throw Verdict(status: 70, message: "no result and no error") }
    return result
  }
}
