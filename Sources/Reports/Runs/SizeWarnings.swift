// SPDX-License-Identifier: Apache-2.0
internal import RunRecords

/// What is to be known before the times of a size are believed.
enum SizeWarnings {
  /// Says where ranks outnumber the cores of their machine, as far as the logs tell.
  static func crowding(_ size: ScalingSize) -> String? {
    guard let start = size.runs.first?.timing?.start, let placement = start.placement else {
      return nil
    }
    // Without knowing better, every host is a machine of its own.
    let names = placement.machines.map { $0.map { "\($0)" } } ?? start.hosts
    for name in Set(names).sorted() {
      let ranks = names.indices.filter { names[$0] == name }
      let cores = placement.cores[ranks[0]]
      guard ranks.count > cores else { continue }
      let hosts = Set(ranks.map { start.hosts[$0] }).sorted()
      let place =
        hosts.count > 1
        ? "its \(hosts.count) hosts (\(hosts.joined(separator: ", "))) are one machine with"
        : "\(hosts[0]) has"
      return "\(size.key.label): \(place) \(cores) core\(cores == 1 ? "" : "s"), which its "
        + "\(ranks.count) ranks share: its times don't tell how as many machines would do."
    }
    return nil
  }

  /// The cores of the hosts, such as `4`, or `2 to 8`; nil if they are not known.
  static func cores(_ size: ScalingSize) -> String? {
    guard let cores = size.runs.first?.timing?.start.placement?.cores, let least = cores.min(),
      let greatest = cores.max()
    else { return nil }
    return least == greatest ? "\(least)" : "\(least) to \(greatest)"
  }
}
