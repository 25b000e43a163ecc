// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Machine
internal import RunRecords

extension Placement {
  /// Where the replicas of a group are, after it has joined a network; all replicas.
  init(of group: any ProcessGroup) throws {
    let cores = try group.allGather(values: Host.cores)
    let names = try group.allGather(values: Host.bootID)
    var known: [String] = []
    for name in names where !known.contains(name) { known.append(name) }
    self.init(
      cores: cores,
      machines: names.contains("") ? nil : names.map { known.firstIndex(of: $0) ?? 0 },
      parties: group.exchangeParticipants)
  }
}

extension TrafficBytes {
  /// A replica's traffic, as the logs have it.
  init(_ traffic: CommunicationTraffic) {
    self.init(
      exchange: traffic.exchange, statistics: traffic.statistics, shared: traffic.shared)
  }

  /// The traffic of all replicas since they joined; all replicas.
  init(ofAll group: any ProcessGroup) throws {
    self.init()
    for traffic in try group.allGather(values: group.communicationTraffic) {
      exchange += traffic.exchange
      statistics += traffic.statistics
      shared += traffic.shared
    }
  }
}
