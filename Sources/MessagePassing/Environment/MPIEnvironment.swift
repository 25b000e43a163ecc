// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

/// MPI as this process has initialized it, once.
///
/// ```swift
/// let environment = try MPIEnvironment()
/// print("rank \(environment.world.rank) of \(environment.world.size) on \(environment.host)")
/// try environment.finalize()
/// ```
///
/// The program works without `mpirun` too, as a world of one process. Nothing is finalized unless
/// ``finalize()`` is called: a rank that dies of an error would hang there, so it calls
/// ``Communicator/abort(status:)`` on the world instead.
public final class MPIEnvironment {
  /// All ranks of the job.
  public let world: Communicator
  /// This rank alone.
  public let selfCommunicator: Communicator
  /// What MPI granted; at least what was asked for.
  public let threadLevel: ThreadLevel
  /// The name of the machine that this rank runs on.
  public let host: String
  /// The MPI library's name and version in its own words.
  public let libraryVersion: String

  /// What the launcher said before MPI was initialized.
  public let launch: LaunchEnvironment

  private let state: EnvironmentState

  /// Initializes MPI; all ranks, once in a process.
  ///
  /// MPI 3.1, sections 8.7 and 12.4.3.
  ///
  /// - Parameters:
  ///   - level: Which threads will call MPI.
  ///   - launch: What the launcher says; a world smaller than that is an error.
  /// - Throws: ``MPIError/alreadyInitialized`` or ``MPIError/alreadyFinalized`` the second time,
  ///   ``MPIError/threadLevelInsufficient(asked:granted:)``,
  ///   ``MPIError/wrongLauncher(variable:expected:found:)``, or what MPI reports.
  public init(
    threadLevel level: ThreadLevel = .funneled, launch: LaunchEnvironment = .current
  ) throws(MPIError) {
    self.launch = launch
    threadLevel = try initializeMPI(level)
    let world = clockstep_comm_world()
    var rank: Int32 = 0
    try check(MPI_Comm_rank(world, &rank), "MPI_Comm_rank", rank: nil)
    state = EnvironmentState(
      worldRank: Int(rank), greatestTag: greatestTag(), spins: launch.sharesCores ? 0 : 4096)
    self.world = try Communicator(taking: world, isPredefined: true, state: state)
    selfCommunicator = try Communicator(
      taking: clockstep_comm_self(), isPredefined: true, state: state)
    host = textFromMPI(capacity: clockstep_max_processor_name) {
      MPI_Get_processor_name($0, $1)
    }
    libraryVersion = textFromMPI(capacity: clockstep_max_library_version) {
      MPI_Get_library_version($0, $1)
    }
    if let expected = launch.size, let variable = launch.sizeVariable, expected > self.world.size {
      throw .wrongLauncher(variable: variable, expected: expected, found: self.world.size)
    }
  }

  /// Finalizes MPI; all ranks, when all communication has ended well.
  ///
  /// No communicator can be used afterwards. MPI 3.1, section 8.7.
  ///
  /// - Throws: ``MPIError/alreadyFinalized`` the second time, or what MPI reports.
  public func finalize() throws(MPIError) {
    guard !state.isFinalized else { throw .alreadyFinalized }
    state.isFinalized = true
    try check(MPI_Finalize(), "MPI_Finalize", rank: state.worldRank)
  }
}

private func initializeMPI(_ asked: ThreadLevel) throws(MPIError) -> ThreadLevel {
  var flag: Int32 = 0
  try check(MPI_Finalized(&flag), "MPI_Finalized", rank: nil)
  guard flag == 0 else { throw .alreadyFinalized }
  try check(MPI_Initialized(&flag), "MPI_Initialized", rank: nil)
  guard flag == 0 else { throw .alreadyInitialized }
  var code: Int32 = 0
  try check(MPI_Init_thread(nil, nil, asked.rawValue, &code), "MPI_Init_thread", rank: nil)
  let granted = ThreadLevel(rawValue: code) ?? .single
  guard granted >= asked else { throw .threadLevelInsufficient(asked: asked, granted: granted) }
  return granted
}

private func greatestTag() -> Int {
  var value: UnsafeMutableRawPointer?
  var found: Int32 = 0
  MPI_Comm_get_attr(clockstep_comm_world(), clockstep_tag_upper_bound, &value, &found)
  // The standard promises 32767 at least.
  return found == 0 ? 32767 : Int(value?.load(as: Int32.self) ?? 32767)
}
