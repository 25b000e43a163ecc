// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// A row of Float64 numbers for each member of a team, that each writes and all then read.
///
/// There are two of each row, used in turn. So one meeting is enough: who writes a row for the next
/// time but one has met everybody in between, and whoever came there had read the row.
final class SharedBoard {
  private let team: HostTeam
  private let meeting: HostTeam.Meeting
  private var window: SharedWindow?
  private var capacity = 0
  private var turn = 0
  private var rows: [UnsafeMutablePointer<Double>] = []

  init(_ team: HostTeam, _ meeting: HostTeam.Meeting) {
    self.team = team
    self.meeting = meeting
  }

  /// Begins to write: this member's row; all members, with the same count.
  ///
  /// - Throws: `MPIError/sharedMemoryUnavailable(bytes:reason:)` on all members alike, when the board
  ///   must grow and can't.
  func open(rowCount: Int) throws(MPIError) -> UnsafeMutablePointer<Double> {
    // In a batch of few rows a team may have nothing to write.
    if rowCount > capacity || rows.isEmpty { try grow(to: Swift.max(rowCount, 1)) }
    turn = 1 - turn
    return rows[team.division.place] + turn * capacity
  }

  /// Ends writing, and returns once all members have; all members.
  func close() throws(MPIError) {
    try team.meet(meeting)
  }

  /// The row that a member has written this time.
  func row(of member: Int) -> UnsafePointer<Double> {
    UnsafePointer(rows[member] + turn * capacity)
  }

  private func grow(to rowCount: Int) throws(MPIError) {
    guard let members = team.members else { return }
    // Rows begin on cache lines of their own.
    capacity = (rowCount + 15) / 16 * 16
    let made = try SharedWindow(
      members, ownBytes: 2 * capacity * MemoryLayout<Double>.stride)
    rows = (0..<members.size).compactMap { rank in
      made.segment(of: rank).baseAddress?.bindMemory(to: Double.self, capacity: 2 * capacity)
    }
    window = made
  }
}
