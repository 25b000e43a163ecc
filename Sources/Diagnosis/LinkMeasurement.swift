// SPDX-License-Identifier: Apache-2.0

/// What messages from one rank to another take.
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
  /// Microseconds from sending eight bytes to having them: half of a round trip.
  public let latencyUs: Double
  /// Microseconds that each more of many small messages takes.
  public let gapUs: Double
  /// Megabytes (10^6 bytes) a second of large messages, one way.
  public let megabytesPerS: Double

  /// A measurement with its ends.
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

  /// Whether it crosses the network.
  public var isBetweenHosts: Bool { fromHost != toHost }
}
