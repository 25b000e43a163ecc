// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

/// The MPI library, initialized in this process: where a program that uses this module starts.
///
/// ```swift
/// let environment = try MPIEnvironment()
/// let world = environment.world
/// let sum = try world.allReduce(world.rank, .sum)
/// try environment.finalize()
/// ```
///
/// The module offers a typed subset of MPI. A ``Communicator`` sends and receives messages,
/// blocking and non-blocking (``Request``, ``RequestGroup``), and has the collectives barrier,
/// broadcast, gather, all-gather, all-to-all and, for integers, all-reduce; ranks on one host share
/// memory by ``SharedWindow`` and ``SharedCounters``.
///
/// A program that was not started by `mpirun` is a world of one process. MPI is finalized only by
/// ``finalize()``: on a rank that fails it would wait for the others, so such a rank calls
/// ``Communicator/abort(status:)`` instead.
public final class MPIEnvironment {
  /// All ranks of the job (`MPI_COMM_WORLD`).
  public let world: Communicator
  /// This rank alone (`MPI_COMM_SELF`).
  public let selfCommunicator: Communicator
  /// The thread level that MPI provides, at least the one required.
  public let threadLevel: ThreadLevel
  /// The name and version of the MPI library.
  public let libraryVersion: String
  /// The launcher's variables as they were before MPI was initialized.
  public let launch: LaunchEnvironment

  private let state: EnvironmentState

  /// Initializes MPI, once per process.
  ///
  /// Collective. MPI 3.1, sections 8.7 and 12.4.3.
  ///
  /// - Parameters:
  ///   - level: The thread level that the program requires.
  ///   - launch: The launcher's variables; a world smaller than they say is an error.
  /// - Throws: ``MPIError/alreadyInitialized`` or ``MPIError/alreadyFinalized`` the second time,
  ///   ``MPIError/threadLevelInsufficient(asked:granted:)``,
  ///   ``MPIError/wrongLauncher(variable:expected:found:)``, or what MPI reports.
  public init(
    threadLevel level: ThreadLevel = .funneled, launch: LaunchEnvironment = .current
  ) throws(MPIError) {
    self.launch = launch
    threadLevel = try Self.initialize(level)
    let world = clockstep_comm_world()
    var rank: Int32 = 0
    try check(MPI_Comm_rank(world, &rank), "MPI_Comm_rank", rank: nil)
    state = EnvironmentState(
      worldRank: Int(rank), maximumTag: Self.maximumTag(), spins: launch.sharesCores ? 0 : 4096)
    self.world = try Communicator(taking: world, isPredefined: true, state: state)
    selfCommunicator = try Communicator(
      taking: clockstep_comm_self(), isPredefined: true, state: state)
    libraryVersion = textFromMPI(capacity: clockstep_max_library_version) {
      MPI_Get_library_version($0, $1)
    }
    if let expected = launch.size, let variable = launch.sizeVariable, expected > self.world.size {
      throw .wrongLauncher(variable: variable, expected: expected, found: self.world.size)
    }
  }

  /// Finalizes MPI after all communication has completed.
  ///
  /// Collective. No communicator can be used afterwards. MPI 3.1, section 8.7.
  ///
  /// - Throws: ``MPIError/alreadyFinalized`` the second time, or what MPI reports.
  public func finalize() throws(MPIError) {
    guard !state.isFinalized else { throw .alreadyFinalized }
    state.isFinalized = true
    try check(MPI_Finalize(), "MPI_Finalize", rank: state.worldRank)
  }

  private static func initialize(_ asked: ThreadLevel) throws(MPIError) -> ThreadLevel {
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

  private static func maximumTag() -> Int {
    var value: UnsafeMutableRawPointer?
    var found: Int32 = 0
    MPI_Comm_get_attr(clockstep_comm_world(), clockstep_tag_upper_bound, &value, &found)
    // The standard guarantees at least 32767 (MPI 3.1, section 8.1.2).
    return found == 0 ? 32767 : Int(value?.load(as: Int32.self) ?? 32767)
  }
}

/// Which threads of a process may call MPI; each level includes the lower ones.
///
/// MPI 3.1, section 12.4.3.
public enum ThreadLevel: Int32, Comparable, Sendable {
  /// The process has one thread.
  case single = 0
  /// Only the thread that initialized MPI calls it.
  case funneled = 1
  /// Any thread calls MPI, one at a time.
  case serialized = 2
  /// Any thread calls MPI at any time.
  case multiple = 3

  /// Orders the levels by what they allow.
  public static func < (left: ThreadLevel, right: ThreadLevel) -> Bool {
    left.rawValue < right.rawValue
  }
}

/// The state that all communicators of a process share.
final class EnvironmentState {
  let worldRank: Int
  let maximumTag: Int
  /// How many times a wait spins before it yields.
  let spins: Int
  var isFinalized = false
  var bytesSent = 0
  /// Called with the seconds that a wait has lasted.
  var waitObserver: ((Double) throws(MPIError) -> Void)?

  init(worldRank: Int, maximumTag: Int, spins: Int) {
    self.worldRank = worldRank
    self.maximumTag = maximumTag
    self.spins = spins
  }
}
