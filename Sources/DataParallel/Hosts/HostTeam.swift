// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// This rank's team: the ranks that share memory with it, and how they wait for each other.
final class HostTeam {
  /// What the members meet for.
  enum Meeting: Int, CaseIterable {
    /// Partial results are written.
    case partials
    /// Partial results of all teams are written.
    case wholePartials
    /// Gradients of one more bucket are final.
    case gradients
    /// Block sums are written.
    case norms
    /// Block sums of all teams are written.
    case wholeNorms
    /// Parameters are updated.
    case parameters
  }

  /// All teams.
  let division: HostTeams
  /// All ranks.
  let world: Communicator
  /// The team's ranks; nil for a team of one.
  let members: Communicator?
  /// The first ranks of all teams; nil on other ranks, and where there is one team.
  let leaders: Communicator?
  private let counters: SharedCounters?
  /// Bytes of gradients that this rank has read from other members' memory.
  private(set) var bytesRead = 0

  /// Forms the teams; all ranks.
  ///
  /// - Parameters:
  ///   - sharesMemory: false makes every rank a team of its own.
  ///   - machines: for each rank a number that ranks of one machine have in common; nil asks MPI.
  /// - Throws: `MPIError`, on all ranks of a machine alike where its memory can't be shared.
  init(_ world: Communicator, sharesMemory: Bool, machines: [Int]? = nil) throws(MPIError) {
    self.world = world
    let machine: Communicator? =
      if !sharesMemory {
        nil
      } else if let machines {
        try world.split(color: machines[world.rank])
      } else {
        try world.splitBySharedMemory()
      }
    let first = try machine?.broadcast(world.rank, root: 0) ?? world.rank
    division = HostTeams(machines: try world.allGather(first), rank: world.rank)
    try machine?.free()
    let team = try world.split(color: division.own, key: world.rank)
    members = division.members.count > 1 ? team : nil
    leaders =
      division.teams.count > 1
      ? try world.split(color: division.place == 0 ? 0 : nil, key: world.rank) : nil
    counters = try members.map { (members) throws(MPIError) in
      try SharedCounters(members, kinds: Meeting.allCases.count)
    }
  }

  /// Takes note that this rank reads a member's gradients, which may be its own.
  func noteRead(_ gradients: Int, of member: Int) {
    if member != division.place { bytesRead &+= gradients &* MemoryLayout<Float>.stride }
  }

  /// Tells the team that this rank has come to a meeting, and returns its number.
  @discardableResult
  func announce(_ meeting: Meeting) -> Int {
    counters?.advance(meeting.rawValue) ?? 0
  }

  /// Whether all members have come to a meeting as often as `number`; never waits.
  func haveAllAnnounced(_ meeting: Meeting, _ number: Int) -> Bool {
    counters?.haveAll(meeting.rawValue, reached: number) ?? true
  }

  /// Returns once all members have come to a meeting as often as `number`.
  func wait(for meeting: Meeting, _ number: Int) throws(MPIError) {
    try counters?.wait(meeting.rawValue, for: number)
  }

  /// Returns once all members have come to a meeting; all members.
  func meet(_ meeting: Meeting) throws(MPIError) {
    try counters?.barrier(meeting.rawValue)
  }
}
