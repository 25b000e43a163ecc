internal import Coordination
public import DataParallel
// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing

extension MPIProcessGroup {
  /// The most seconds that a direction of a link is measured for.
  private static let mostSeconds = 0.25

  /// Measures the links between ranks; all ranks.
  ///
  /// Up to eight ranks: each ordered pair alone. More: one rank a host, as many pairs at once as
  /// there are. Takes at most about `seconds`, but 10 ms a direction at least, and up to twice that
  /// on very slow links.
  ///
  /// - Returns: on all ranks the same, ordered by sender, then by receiver.
  /// - Throws: `MPIError` when messages fail.
  public func measureLinks(within seconds: Double = 20) throws -> [LinkMeasurement] {
    let plan = LinkRounds(hosts: hosts)
    let share = seconds / Double(2 * Swift.max(plan.rounds.count, 1))
    let each = Swift.min(Swift.max(share, 0.01), Self.mostSeconds)
    var own: [Double] = []
    for round in plan.rounds {
      // Nobody's waiting disturbs a measurement for longer than it must.
      try barrier()
      guard let pair = round.first(where: { rank == $0.lowerBound || rank == $0.upperBound }) else {
        continue
      }
      let peer = pair.lowerBound == rank ? pair.upperBound : pair.lowerBound
      let meter = LinkMeter(communicator, peer: peer)
      if rank == pair.upperBound { try meter.follow() }
      let times = try meter.drive(seconds: each)
      if rank == pair.lowerBound { try meter.follow() }
      own += [Double(peer), times.latency, times.gap, times.bandwidth]
    }
    let all = try allGather(own.withUnsafeBytes { Array($0) })
    return all.enumerated().flatMap { from, bytes in
      measurements(from: from, bytes)
    }
  }

  private func measurements(from: Int, _ bytes: [UInt8]) -> [LinkMeasurement] {
    let numbers = bytes.withUnsafeBytes { raw in
      (0..<raw.count / 8).map { raw.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self) }
    }
    let found = stride(from: 0, to: numbers.count, by: 4).map { place in
      let to = Int(numbers[place])
      return LinkMeasurement(
        from: from, to: to, fromHost: hosts[from], toHost: hosts[to],
        latencyUs: 1e6 * numbers[place + 1], gapUs: 1e6 * numbers[place + 2],
        megabytesPerS: numbers[place + 3] / 1e6)
    }
    return found.sorted { $0.to < $1.to }
  }
}
