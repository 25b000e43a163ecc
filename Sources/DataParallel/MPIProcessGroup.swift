// SPDX-License-Identifier: Apache-2.0
public import Coordination
internal import Failures
public import MessagePassing
public import NeuralCore
internal import Tracing

/// The ranks of a communicator as a group of replicas.
public final class MPIProcessGroup: ProcessGroup {
  /// This rank's number.
  public let rank: Int
  /// How many ranks there are.
  public let size: Int
  /// The host of each rank.
  public let hosts: [String]
  package let communicator: Communicator
  private let machines: [Int]?
  private let streams: Bool?
  private let watch: StallWatch?
  private var replicas: DistributedReplicas?
  /// What a group of one does its work by: it has nobody to talk to.
  private let sole: SingleProcessGroup?
  /// The teams made so far, by whether they share memory.
  private var teams: [Bool: HostTeam] = [:]

  /// Makes the group; all ranks.
  ///
  /// - Parameters:
  ///   - communicator: used by the group alone from now on.
  ///   - host: the name of the host that this rank runs on.
  ///   - machines: for each rank a number that ranks have in common which may share memory; nil for
  ///     all ranks of a machine.
  ///   - streams: whether memory that ranks share is written past the caches; nil measures what is
  ///     faster when a network joins. No result depends on it.
  ///   - limits: how long this rank waits for others; nil for ever.
  ///   - report: is given a sentence about ranks that don't come.
  /// - Throws: `MPIError` when the hosts can't be exchanged.
  public init(
    _ communicator: Communicator, host: String, machines: [Int]? = nil,
    streams: Bool? = nil, limits: StallLimits? = nil,
    report: @escaping (String) -> Void = { _ in }
  ) throws {
    self.communicator = communicator
    self.machines = machines
    self.streams = streams
    rank = communicator.rank
    size = communicator.size
    sole = communicator.size == 1 ? SingleProcessGroup(host: host) : nil
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
    try sole?.ranksSharingMemory(transport)
      ?? team(sharesMemory: transport == .auto).division.members
  }

  public func shareBytes(
    _ transport: ExchangeOptions.Transport, count bytes: Int,
    fill: (UnsafeMutableRawPointer) -> Void
  ) throws -> AlignedBuffer<UInt8>? {
    watch?.enterActivity()
    guard sole == nil, let members = try team(sharesMemory: transport == .auto).members else {
      return try SingleProcessGroup().shareBytes(transport, count: bytes, fill: fill)
    }
    let window: SharedWindow
    do {
      window = try SharedWindow(members, ownBytes: members.rank == 0 ? bytes : 0)
    } catch MPIError.sharedMemoryUnavailable {
      return nil
    }
    guard let base = window.segment(of: 0).baseAddress else { return nil }
    if members.rank == 0 { fill(base) }
    // Nobody reads before all is written.
    _ = try members.allGather(0)
    return AlignedBuffer(
      base.bindMemory(to: UInt8.self, capacity: bytes), count: bytes, ownedBy: window)
  }

  /// - Throws: `Failure` with status 69 on all ranks, if some machine's memory can't be shared.
  public func join(_ network: NeuralNetwork, slices: Int, exchange: ExchangeOptions) throws {
    if let sole { return try sole.join(network, slices: slices, exchange: exchange) }
    // Memory may be short on one host only, and others must not wait for its ranks.
    let joined = try agree {
      do {
        // An all-reduce gives each rank parameters of its own to update.
        return try DistributedReplicas(
          team(sharesMemory: exchange.transport == .auto && exchange.mode == .sharded),
          store: network.store, slices: slices, optimizer: network.optimizer,
          options: exchange, streams: streams, watch: watch, spans: network.spans)
      } catch let error as MPIError {
        guard case .sharedMemoryUnavailable = error else { throw error }
        throw Failure(
          error.exitStatus, "\(error); give it more memory, or use --transport messages")
      }
    }
    replicas = joined
    network.replicas = joined
  }

  /// The teams, made once.
  private func team(sharesMemory: Bool) throws -> HostTeam {
    if let known = teams[sharesMemory] { return known }
    let made = try HostTeam(communicator, sharesMemory: sharesMemory, machines: machines)
    teams[sharesMemory] = made
    return made
  }

  public func gatherOptimizerState() throws -> [AlignedBuffer<Float>] {
    watch?.enterActivity()
    return try sole?.gatherOptimizerState() ?? replicas?.gatherOptimizerState() ?? []
  }

  public func loadOptimizerState(_ moments: [AlignedBuffer<Float>]) {
    sole?.loadOptimizerState(moments)
    replicas?.loadOptimizerState(moments)
  }

  public var communicationTimes: CommunicationTimes {
    sole?.communicationTimes ?? replicas?.times ?? CommunicationTimes()
  }

  public var communicationTraffic: CommunicationTraffic {
    replicas?.traffic ?? CommunicationTraffic()
  }

  public var exchangeParticipants: Int { replicas?.exchangeParticipants ?? 1 }
}
