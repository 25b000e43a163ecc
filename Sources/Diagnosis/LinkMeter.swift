// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore
internal import Tracing

/// Times messages to one other rank, which answers.
///
/// The driver says what comes next in a message of two numbers, so that it alone decides how long
/// it goes on.
final class LinkMeter {
  /// What was measured, in seconds and bytes a second.
  struct Times {
    let latency: Double
    let gap: Double
    let bandwidth: Double
  }

  private enum Order: Int64 {
    case end, roundTrips, burst, stream
  }

  /// Bytes of the pieces that large transfers are sent in, as large as a bucket of gradients.
  private static let piece = 4 << 20
  private static let mostBytes = 256 << 20
  private static let burstCount = 200

  private let communicator: Communicator
  private let peer: Int
  private let order = AlignedBuffer<Int64>(count: 2)
  private let small = AlignedBuffer<UInt8>(count: 8)
  private let large = AlignedBuffer<UInt8>(count: LinkMeter.piece)

  init(_ communicator: Communicator, peer: Int) {
    self.communicator = communicator
    self.peer = peer
  }

  /// Measures in about that many seconds, at most about twice as many on very slow links.
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

  /// Sends more and more until it takes a good part of the time.
  private func bandwidth(latency: Double, seconds: Double) throws(MPIError) -> Double {
    var bytes = 1 << 16
    let end = MonotonicClock.seconds + seconds
    while true {
      let time = Swift.max(try stream(bytes), 1e-9)
      let now = MonotonicClock.seconds
      guard time < seconds / 2, bytes < Self.mostBytes, now + 2 * time < end else {
        // Header and answer cross the link, too.
        return Double(bytes) / (time > 4 * latency ? time - 2 * latency : time)
      }
      let growth = Swift.min(Swift.max(0.7 * (end - now) / time, 2), 16)
      bytes = Swift.min(Int(Double(bytes) * growth), Self.mostBytes)
    }
  }

  /// Answers a driver until it ends.
  func follow() throws(MPIError) {
    while true {
      try communicator.receive(into: order.mutableElements, from: peer)
      let count = Int(order.base[1])
      switch Order(rawValue: order.base[0]) {
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

  private func send(_ next: Order, _ count: Int) throws(MPIError) {
    order.base[0] = next.rawValue
    order.base[1] = Int64(count)
    try communicator.send(order.elements, to: peer)
  }

  private func sendSmall() throws(MPIError) {
    try communicator.send(small.elements, to: peer)
  }

  private func receiveSmall() throws(MPIError) {
    try communicator.receive(into: small.mutableElements, from: peer)
  }
}
