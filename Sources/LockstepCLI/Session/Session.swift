// SPDX-License-Identifier: Apache-2.0
internal import CSignals
import Coordination
import DataParallel
import Failures
import Foundation
import Machine
import MessagePassing
import NeuralCore
import RunRecords

/// A command under MPI, from initialization to finalization on all ranks.
enum Session {
  /// Runs `body` on every rank, as a group.
  ///
  /// A `Failure` is what all ranks agree on: rank 0 reports it, and all ranks finalize MPI. Any other
  /// error concerns this rank only: it is reported with the rank's name, and the job is aborted.
  ///
  /// - Parameter limits: how long a rank waits for others.
  static func run(
    _ limits: StallLimits, _ body: (any ProcessGroup) throws -> Void
  ) throws {
    try run(limits) { group, _ in try body(group) }
  }

  /// Runs `body` on every rank, as a group, and passes it the MPI environment as well.
  ///
  /// - Parameter streams: as that of `MPIProcessGroup`.
  static func run(
    _ limits: StallLimits, streams: Bool? = nil,
    _ body: (MPIProcessGroup, MPIEnvironment) throws -> Void
  ) throws {
    if LaunchEnvironment.current.launcher != nil { StopSignals.dieWithParent() }
    // MPI_Init waits for all ranks and can't be interrupted.
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
        world.duplicate(), host: Host.name, streamingStores: streams, limits: limits
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
      // The group outlives the error: its requests in flight must not report before the error does.
      withExtendedLifetime(group) { abort(error, environment) }
    }
    finalize(environment)
  }

  /// Reports this rank's error, and ends the job.
  private static func abort(_ error: any Error, _ environment: MPIEnvironment) -> Never {
    let (world, failure) = (environment.world, Failure(error))
    // MPI_Abort asks the launcher, which may be unreachable; standard error may be blocked, too.
    let seconds = abortSeconds(after: error)
    StopSignals.exit(afterSeconds: seconds, status: failure.status.rawValue)
    StopSignals.endDaemon(afterSeconds: seconds + 2)
    let place = world.size > 1 ? "rank \(world.rank) (\(Host.name)): " : ""
    Terminal.write("lockstep: \(place)\(failure.message)\n", to: .standardError)
    world.abort(status: failure.status.rawValue)
  }

  /// Seconds that ending the job may take.
  ///
  /// A rank that gave up waiting most likely can't reach the launcher. Together with the delay of the
  /// ranks that leave aborting to the lowest one, and with ending the daemon, this must stay below the
  /// 10 seconds after `--stall-abort-seconds` that are promised.
  private static func abortSeconds(after error: any Error) -> UInt32 {
    if case MPIError.waitAbandoned = error { 3 } else { 10 }
  }

  /// Seconds that finalizing may take.
  private static let finalizingSeconds: UInt32 = 30

  /// Finalizes MPI; a rank that can't, since another one died, ends all the same.
  private static func finalize(_ environment: MPIEnvironment) {
    StopSignals.exit(afterSeconds: finalizingSeconds, status: 75)
    try? environment.finalize()
    StopSignals.exit(afterSeconds: 0, status: 0)
  }

  /// What must be equal on all ranks for equal bits, besides options and data.
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

  /// The invariants that a run requires; if they may differ, a difference is only a warning.
  static func requiredInvariants(
    _ group: any ProcessGroup, allowingMixedHardware isAllowed: Bool
  ) throws -> [Invariant] {
    guard isAllowed else { return invariants }
    if let difference = try group.firstMismatch(in: invariants), group.rank == 0 {
      Terminal.write(
        "lockstep: warning: \(difference.message); identical bits are not guaranteed\n",
        to: .standardError)
    }
    return []
  }
}

/// The signals that ask this process to stop.
enum StopSignals {
  /// From now on SIGTERM and SIGINT are requests, checked once per step.
  ///
  /// A second one ends the process. Exceeding the limit on file sizes becomes an error of the write.
  static func watch() {
    clockstep_catch_stop_signals()
    clockstep_survive_file_limits()
  }

  /// SIGTERM or SIGINT if one has been received, otherwise 0.
  static var pending: Int32 { clockstep_stop_signal() }

  /// Makes the kernel end this process when its parent ends: no rank may outlive its launcher.
  static func dieWithParent() { clockstep_die_with_parent() }

  /// Ends the launcher's daemon on this host if it is still running after `seconds`.
  static func endDaemon(afterSeconds seconds: UInt32) { clockstep_end_daemon_after(seconds) }

  /// Ends this process after `seconds`, even if it hangs; 0 cancels that.
  static func exit(afterSeconds seconds: UInt32, status: Int32, saying message: StaticString? = nil)
  {
    // A static string lives as long as the process, and ends with a zero.
    let text = message.map { UnsafeRawPointer($0.utf8Start).assumingMemoryBound(to: CChar.self) }
    clockstep_exit_after(seconds, status, text)
  }
}

extension LaunchAttempt {
  /// The start that `launch/run` made; nil for other launchers.
  static var current: LaunchAttempt? {
    let variables = ProcessInfo.processInfo.environment
    guard let launch = variables["LOCKSTEP_LAUNCH"],
      let number = variables["LOCKSTEP_ATTEMPT"].flatMap({ Int($0) })
    else { return nil }
    return LaunchAttempt(launch: launch, number: number)
  }
}
