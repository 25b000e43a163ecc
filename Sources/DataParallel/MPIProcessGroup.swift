// SPDX-License-Identifier: Apache-2.0
public import Coordination
internal import Failures
public import MessagePassing
public import NeuralCore
internal import Tracing

/// The ranks of a communicator as a process group.
public final class MPIProcessGroup: ProcessGroup {
  public let rank: Int
  public let size: Int
  public let hosts: [String]
  package let communicator: Communicator
  private let machines: [Int]?
  private let streamingStores: Bool?
  private let watch: StallWatch?
  private var replicas: DistributedReplicas?
  /// The group of one process that does the work where there is one rank.
  private let single: SingleProcessGroup?
  /// The local groups made so far, by whether their ranks share memory.
  private var localGroups: [Bool: LocalGroup] = [:]

  /// Makes the group; all ranks.
  ///
  /// - Parameters:
  ///   - communicator: used by the group alone from now on.
  ///   - host: the name of the host that this rank runs on.
  ///   - machines: for each rank a number that ranks which may share memory have in common; nil for
  ///     all ranks of a machine.
  ///   - streamingStores: whether memory that ranks share is written with streaming (non-temporal)
  ///     stores; nil measures which stores are faster when a network joins. No result depends on it.
  ///   - limits: how long this rank waits for others; nil for no limit.
  ///   - report: is called with a sentence about ranks that don't arrive.
  /// - Throws: `MPIError` when the hosts can't be exchanged.
  public init(
    _ communicator: Communicator, host: String, machines: [Int]? = nil,
    streamingStores: Bool? = nil, limits: StallLimits? = nil,
    report: @escaping (String) -> Void = { _ in }
  ) throws {
    self.communicator = communicator
    self.machines = machines
    self.streamingStores = streamingStores
    rank = communicator.rank
    size = communicator.size
    single = communicator.size == 1 ? SingleProcessGroup(host: host) : nil
    hosts = try communicator.allGather(bytes: Array(host.utf8)).map {
      String(decoding: $0, as: UTF8.self)
    }
    guard let limits, communicator.size > 1 else {
      watch = nil
      return
    }
    watch = StallWatch(
      try communicator.duplicate(), hosts: hosts, limits: limits, report: report)
  }

  public func begin(_ activity: Activity, step: Int) {
    watch?.begin(activity, step: step)
  }

  public func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    watch?.enterActivity()
    return try communicator.allGather(bytes: bytes)
  }

  public func ranksSharingMemory(_ transport: ExchangeOptions.Transport) throws -> Range<Int> {
    try single?.ranksSharingMemory(transport)
      ?? localGroup(sharesMemory: transport == .auto).groups.members
  }

  public func shareBytes(
    _ transport: ExchangeOptions.Transport, count bytes: Int,
    fill: (UnsafeMutableRawPointer) -> Void
  ) throws -> AlignedBuffer<UInt8>? {
    watch?.enterActivity()
    guard single == nil, let members = try localGroup(sharesMemory: transport == .auto).members
    else {
      return try SingleProcessGroup().shareBytes(transport, count: bytes, fill: fill)
    }
    // Segments follow on each other, so together they are one; each rank allocates a part.
    let part = (bytes + members.size - 1) / members.size
    let window: SharedWindow
    do throws(MPIError) {
      window = try SharedWindow(members, ownBytes: part)
    } catch {
      guard case .sharedMemoryUnavailable = error else { throw error }
      return nil
    }
    guard let base = window.segment(of: 0).baseAddress else { return nil }
    fill(base)
    // Nobody reads before all is written.
    _ = try members.allGather(0)
    return AlignedBuffer(
      base.bindMemory(to: UInt8.self, capacity: bytes), count: bytes, ownedBy: window)
  }

  /// - Throws: `Failure` with status 69 on all ranks, if some machine's memory can't be shared.
  public func join(_ network: NeuralNetwork, slices: Int, exchange: ExchangeOptions) throws {
    if let single { return try single.join(network, slices: slices, exchange: exchange) }
    // Memory may be short on one host only, and the other hosts must not wait for its ranks.
    let joined = try agree {
      do {
        // An all-reduce gives each rank parameters of its own to update.
        return try DistributedReplicas(
          localGroup(sharesMemory: exchange.transport == .auto && exchange.mode == .sharded),
          store: network.store, slices: slices, optimizer: network.optimizer,
          options: exchange, streamingStores: streamingStores, watch: watch, spans: network.spans)
      } catch let error as MPIError {
        guard case .sharedMemoryUnavailable = error else { throw error }
        throw Failure(
          error.exitStatus, "\(error); give it more memory, or use --transport messages")
      }
    }
    replicas = joined
    network.replicas = joined
  }

  /// This rank's local group, made once for each way to communicate.
  private func localGroup(sharesMemory: Bool) throws -> LocalGroup {
    if let known = localGroups[sharesMemory] { return known }
    let made = try LocalGroup(communicator, sharesMemory: sharesMemory, machines: machines)
    localGroups[sharesMemory] = made
    return made
  }

  public func gatherOptimizerState() throws -> [AlignedBuffer<Float>] {
    watch?.enterActivity()
    return try single?.gatherOptimizerState() ?? replicas?.gatherOptimizerState() ?? []
  }

  public func loadOptimizerState(_ moments: [AlignedBuffer<Float>]) {
    single?.loadOptimizerState(moments)
    replicas?.loadOptimizerState(moments)
  }

  public var communicationTimes: CommunicationTimes {
    single?.communicationTimes ?? replicas?.times ?? CommunicationTimes()
  }

  public var communicationTraffic: CommunicationTraffic {
    replicas?.traffic ?? CommunicationTraffic()
  }

  public var exchangeParticipants: Int { replicas?.exchangeParticipants ?? 1 }
}
