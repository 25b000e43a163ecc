// SPDX-License-Identifier: Apache-2.0

/// Which links are much worse than the others of their kind.
public enum LinkFindings {
  /// How many times slower than the median a link is when it is told.
  public static let mostTimes = 2.0
  /// How many times later than the median messages arrive when it is told.
  public static let mostTimesLatency = 4.0

  /// The findings: all ranks wait for the slowest link.
  public static func all(_ links: [LinkMeasurement]) -> [Finding] {
    let between = links.filter(\.isBetweenHosts)
    return slow(between) + late(between)
  }

  private static func slow(_ links: [LinkMeasurement]) -> [Finding] {
    guard links.count > 2 else { return [] }
    let median = median(links.map(\.megabytesPerS))
    return links.filter { $0.megabytesPerS * mostTimes < median }.map { link in
      Finding(
        "\(name(link)): \(rate(link.megabytesPerS)), while \(rate(median)) is usual "
          + "here; check cable, port and speed of both hosts (ethtool), or leave one out")
    }
  }

  private static func late(_ links: [LinkMeasurement]) -> [Finding] {
    guard links.count > 2 else { return [] }
    let median = median(links.map(\.latencyUs))
    return links.filter { $0.latencyUs > mostTimesLatency * median }.map { link in
      Finding(
        "\(name(link)): messages take \(Int(link.latencyUs.rounded())) us, while \(Int(median.rounded())) us is "
          + "usual here; check the route between the hosts, and what else runs on them")
    }
  }

  private static func rate(_ value: Double) -> String {
    value < 10 ? "\((value * 10).rounded() / 10) MB/s" : "\(Int(value.rounded())) MB/s"
  }

  private static func name(_ link: LinkMeasurement) -> String {
    "\(link.fromHost) (rank \(link.from)) to \(link.toHost) (rank \(link.to))"
  }

  /// The middle one, the lower of two; 0 of none.
  static func median(_ values: [Double]) -> Double {
    values.isEmpty ? 0 : values.sorted()[(values.count - 1) / 2]
  }
}
