// SPDX-License-Identifier: Apache-2.0
internal import Coordination
public import DataParallel
internal import MessagePassing
internal import NeuralCore
internal import Tracing

/// The cost of messages from one rank to another.
///
/// The parameters are those of the LogGP model: Alexandrov, Ionescu, Schauser, Scheiman, "LogGP:
/// Incorporating Long Messages into the LogP Model", SPAA 1995. Latency here is L + 2o, as a
/// program sees it.
public struct LinkMeasurement: Codable, Hashable, Sendable {
  /// The sending rank.
  public let from: Int
  /// The receiving rank.
  public let to: Int
  /// The host of the sender.
  public let fromHost: String
  /// The host of the receiver.
  public let toHost: String
  /// Microseconds from sending eight bytes to receiving them: half of a round trip.
  public let latencyUs: Double
  /// Microseconds for each additional one of many small messages.
  public let gapUs: Double
  /// Megabytes (10^6 bytes) per second of large messages, in one direction.
  public let megabytesPerS: Double

  /// A measurement with its endpoints.
  public init(
    from: Int, to: Int, fromHost: String, toHost: String, latencyUs: Double, gapUs: Double,
    megabytesPerS: Double
  ) {
    self.from = from
    self.to = to
    self.fromHost = fromHost
    self.toHost = toHost
    self.latencyUs = latencyUs
    self.gapUs = gapUs
    self.megabytesPerS = megabytesPerS
  }

  /// Whether the link crosses the network.
  public var isBetweenHosts: Bool { fromHost != toHost }
}

extension MPIProcessGroup {
  /// The maximum time for which one direction of a link is measured, in seconds.
  private static let maximumSeconds = 0.25

  /// Measures the links between ranks; all ranks.
  ///
  /// Up to eight ranks: each ordered pair alone. More: one rank per host, as many pairs at once as
  /// possible. Takes at most about `seconds`, but at least 10 ms per direction, and up to twice that
  /// on very slow links.
  ///
  /// - Returns: the same on all ranks, ordered by sender, then by receiver.
  /// - Throws: `MPIError` when messages fail.
  public func measureLinks(within seconds: Double = 20) throws -> [LinkMeasurement] {
    let plan = LinkRounds(hosts: hosts)
    let share = seconds / Double(2 * Swift.max(plan.rounds.count, 1))
    let each = Swift.min(Swift.max(share, 0.01), Self.maximumSeconds)
    var own: [Double] = []
    for round in plan.rounds {
      // Ranks that wait disturb the others' measurements, so they start each round together.
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
    let found = stride(from: 0, to: numbers.count, by: 4).map { index in
      let to = Int(numbers[index])
      return LinkMeasurement(
        from: from, to: to, fromHost: hosts[from], toHost: hosts[to],
        latencyUs: 1e6 * numbers[index + 1], gapUs: 1e6 * numbers[index + 2],
        megabytesPerS: numbers[index + 3] / 1e6)
    }
    return found.sorted { $0.to < $1.to }
  }
}

/// Which links are measured, and which of them at the same time.
private struct LinkRounds {
  /// The maximum number of ranks for which every link is measured alone.
  static let maximumAlone = 8

  /// The ranks whose links are measured.
  let ends: [Int]
  /// Pairs of ranks, round by round; the pairs of a round have no rank in common.
  let rounds: [[ClosedRange<Int>]]

  /// All ranks if there are at most ``maximumAlone``; otherwise the first rank of each host, or the
  /// first ranks of the only host.
  init(hosts: [String]) {
    var ends = Array(hosts.indices)
    if hosts.count > Self.maximumAlone {
      ends = ends.filter { hosts.firstIndex(of: hosts[$0]) == $0 }
      if ends.count == 1 { ends = Array(hosts.indices.prefix(Self.maximumAlone)) }
    }
    self.ends = ends
    let all = Self.tournament(ends)
    rounds = ends.count <= Self.maximumAlone ? all.flatMap { $0.map { [$0] } } : all
  }

  /// All pairs, each once, as in a round-robin tournament: one rank stays, the others rotate.
  private static func tournament(_ ends: [Int]) -> [[ClosedRange<Int>]] {
    var seats: [Int?] = ends + (ends.count % 2 == 0 ? [] : [nil])
    guard seats.count > 1 else { return [] }
    return (1..<seats.count).map { _ in
      let pairs = (0..<seats.count / 2).compactMap { seat -> ClosedRange<Int>? in
        guard let one = seats[seat], let other = seats[seats.count - 1 - seat] else { return nil }
        return Swift.min(one, other)...Swift.max(one, other)
      }
      seats.insert(seats.removeLast(), at: 1)
      return pairs
    }
  }
}

/// Times messages to one other rank, which replies.
///
/// The driver announces each measurement in a message of two numbers, so it alone decides how many
/// there are.
private final class LinkMeter {
  /// What was measured, in seconds and bytes per second.
  struct Times {
    let latency: Double
    let gap: Double
    let bandwidth: Double
  }

  private enum Command: Int64 {
    case end, roundTrips, burst, stream
  }

  /// Bytes of the pieces that large transfers are sent in, as large as a bucket of gradients.
  private static let piece = 4 << 20
  private static let maximumBytes = 256 << 20
  private static let burstCount = 200

  private let communicator: Communicator
  private let peer: Int
  private let command = AlignedBuffer<Int64>(count: 2)
  private let small = AlignedBuffer<UInt8>(count: 8)
  private let large = AlignedBuffer<UInt8>(count: LinkMeter.piece)

  init(_ communicator: Communicator, peer: Int) {
    self.communicator = communicator
    self.peer = peer
  }

  /// Measures for about `seconds`, at most about twice as long on very slow links.
  func drive(seconds: Double) throws(MPIError) -> Times {
    let start = MonotonicClock.seconds
    // The first message opens the connection.
    _ = try roundTrips(4)
    var halves: [Double] = []
    repeat {
      halves.append(try roundTrips(10) / 20)
    } while halves.count < 11 && MonotonicClock.seconds < start + seconds / 4
    let latency = halves.sorted()[halves.count / 2]
    let gap = Swift.max(try burst() - 2 * latency, 0) / Double(Self.burstCount)
    let bandwidth = try bandwidth(latency: latency, seconds: seconds / 2)
    try send(.end, 0)
    return Times(latency: latency, gap: gap, bandwidth: bandwidth)
  }

  /// Sends more and more until a transfer takes about half of the time.
  private func bandwidth(latency: Double, seconds: Double) throws(MPIError) -> Double {
    var bytes = 1 << 16
    let end = MonotonicClock.seconds + seconds
    while true {
      let time = Swift.max(try stream(bytes), 1e-9)
      let now = MonotonicClock.seconds
      guard time < seconds / 2, bytes < Self.maximumBytes, now + 2 * time < end else {
        // The command and the reply cross the link, too.
        return Double(bytes) / (time > 4 * latency ? time - 2 * latency : time)
      }
      let growth = Swift.min(Swift.max(0.7 * (end - now) / time, 2), 16)
      bytes = Swift.min(Int(Double(bytes) * growth), Self.maximumBytes)
    }
  }

  /// Replies to a driver until it ends.
  func follow() throws(MPIError) {
    while true {
      try communicator.receive(into: command.mutableElements, from: peer)
      let count = Int(command.base[1])
      switch Command(rawValue: command.base[0]) {
      case .roundTrips:
        for _ in 0..<count {
          try receiveSmall()
          try sendSmall()
        }
      case .burst:
        for _ in 0..<count { try receiveSmall() }
        try sendSmall()
      case .stream:
        for part in pieces(count) {
          try communicator.receive(
            into: UnsafeMutableBufferPointer(start: large.base, count: part), from: peer)
        }
        try sendSmall()
      case .end, nil: return
      }
    }
  }

  private func roundTrips(_ count: Int) throws(MPIError) -> Double {
    try send(.roundTrips, count)
    let start = MonotonicClock.seconds
    for _ in 0..<count {
      try sendSmall()
      try receiveSmall()
    }
    return MonotonicClock.seconds - start
  }

  private func burst() throws(MPIError) -> Double {
    let start = MonotonicClock.seconds
    try send(.burst, Self.burstCount)
    for _ in 0..<Self.burstCount { try sendSmall() }
    try receiveSmall()
    return MonotonicClock.seconds - start
  }

  private func stream(_ bytes: Int) throws(MPIError) -> Double {
    let start = MonotonicClock.seconds
    try send(.stream, bytes)
    for part in pieces(bytes) {
      try communicator.send(UnsafeBufferPointer(start: large.base, count: part), to: peer)
    }
    try receiveSmall()
    return MonotonicClock.seconds - start
  }

  private func pieces(_ bytes: Int) -> [Int] {
    stride(from: 0, to: bytes, by: Self.piece).map { Swift.min(Self.piece, bytes - $0) }
  }

  private func send(_ next: Command, _ count: Int) throws(MPIError) {
    command.base[0] = next.rawValue
    command.base[1] = Int64(count)
    try communicator.send(command.elements, to: peer)
  }

  private func sendSmall() throws(MPIError) {
    try communicator.send(small.elements, to: peer)
  }

  private func receiveSmall() throws(MPIError) {
    try communicator.receive(into: small.mutableElements, from: peer)
  }
}
