// SPDX-License-Identifier: Apache-2.0
import Coordination
import DataParallel
import Failures
import Foundation
import MessagePassing
import NeuralCore

/// A command's time with MPI: from its start on all ranks to its end on all ranks.
enum Session {
  /// Runs `body` on every rank, as a group.
  ///
  /// An error that all ranks agree on (`Failure`) is told once, and all ranks leave in order. Any
  /// other error is this rank's alone: it is told with the rank's name, and the job is aborted.
  ///
  /// - Parameter limits: how long a rank waits for others.
  static func run(
    _ limits: StallLimits, _ body: (any ProcessGroup) throws -> Void
  ) throws {
    try run(limits) { group, _ in try body(group) }
  }

  /// Runs `body` on every rank, as a group, and gives it MPI's own environment too.
  ///
  /// - Parameter streams: as that of `MPIProcessGroup`.
  static func run(
    _ limits: StallLimits, streams: Bool? = nil,
    _ body: (MPIProcessGroup, MPIEnvironment) throws -> Void
  ) throws {
    if LaunchEnvironment.current.launcher != nil { StopSignals.dieWithParent() }
    // MPI's start waits for all ranks and can't look around.
    StopSignals.exit(
      afterSeconds: UInt32(limits.abortAfter), status: 75,
      saying: "lockstep: MPI can't start: a host or rank does not answer; check the hosts\n")
    let environment: MPIEnvironment
    do {
      environment = try MPIEnvironment()
    } catch {
      throw ProgramExit(.unavailable, "\(error)")
    }
    let world = environment.world
    var group: MPIProcessGroup?
    do {
      let made = try MPIProcessGroup(
        world.duplicate(), host: environment.host, streamingStores: streams, limits: limits
      ) {
        Terminal.write("lockstep: \($0)\n", to: .standardError)
      }
      group = made
      StopSignals.exit(afterSeconds: 0, status: 0)
      try body(made, environment)
    } catch let failure as Failure {
      if world.rank == 0 {
        Terminal.write("lockstep: \(failure.message)\n", to: .standardError)
      }
      finalize(environment)
      throw ProgramExit(failure.status, nil)
    } catch {
      // The group outlives the error: what it has in flight must not speak before the error does.
      withExtendedLifetime(group) { abort(error, environment) }
    }
    finalize(environment)
  }

  /// Tells this rank's error, and ends the job.
  private static func abort(_ error: any Error, _ environment: MPIEnvironment) -> Never {
    let (world, failure) = (environment.world, Failure(error))
    // MPI asks the launcher for the end, which may be out of reach, and may not take words either.
    let seconds = abortSeconds(after: error)
    StopSignals.exit(afterSeconds: seconds, status: failure.status.rawValue)
    StopSignals.endDaemon(afterSeconds: seconds + 2)
    let place = world.size > 1 ? "rank \(world.rank) (\(environment.host)): " : ""
    Terminal.write("lockstep: \(place)\(failure.message)\n", to: .standardError)
    world.abort(status: failure.status.rawValue)
  }

  /// Seconds that ending the job may take.
  ///
  /// A rank that gave up waiting most likely can't reach the launcher. Together with the patience of
  /// those ranks that leave this to the lowest one, and with the daemon's end, it must stay below the
  /// 10 seconds after `--stall-abort-seconds` that are promised.
  private static func abortSeconds(after error: any Error) -> UInt32 {
    if case MPIError.waitAbandoned = error { 3 } else { 10 }
  }

  /// Seconds that leaving MPI in order may take.
  private static let leavingSeconds: UInt32 = 30

  /// Leaves MPI; a rank that can't, since another died on the way, leaves all the same.
  private static func finalize(_ environment: MPIEnvironment) {
    StopSignals.exit(afterSeconds: leavingSeconds, status: 75)
    try? environment.finalize()
    StopSignals.exit(afterSeconds: 0, status: 0)
  }

  /// What must be equal on all ranks for equal bits, beside options and data.
  static var invariants: [Invariant] {
    let build = "copy one build to all hosts, or allow the difference with --allow-mixed-hardware"
    let machine =
      "use machines of one kind, or allow the difference with --allow-mixed-hardware"
    return [
      Invariant("the version of lockstep", Version.current, advice: build),
      Invariant("the build of lockstep", fingerprint, advice: build),
      Invariant("the version of oneDNN", ProductLibrary.version, advice: build),
      Invariant(
        "the instruction set", "oneDNN's \(ProductLibrary.instructionSet)", advice: machine),
    ]
  }

  /// The hash of the program's own file.
  static var fingerprint: String {
    guard let file = try? Data(contentsOf: URL(fileURLWithPath: "/proc/self/exe")) else {
      return "unknown"
    }
    return file.withUnsafeBytes { ContentHash(of: $0).description }
  }

  /// The invariants that a run must insist on; if they may differ, a difference is only told.
  static func requiredInvariants(
    _ group: any ProcessGroup, allowingMixedHardware isAllowed: Bool
  ) throws -> [Invariant] {
    guard isAllowed else { return invariants }
    if let difference = try group.firstMismatch(in: invariants), group.rank == 0 {
      Terminal.write(
        "lockstep: warning: \(difference.message); the bits are not promised\n", to: .standardError)
    }
    return []
  }
}
