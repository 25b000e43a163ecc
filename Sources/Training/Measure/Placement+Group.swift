// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import NeuralCore
internal import Telemetry

extension Placement {
  /// Where the replicas of a group are, after it has joined a network; all replicas.
  init(of group: any ProcessGroup) throws {
    let answers = try group.allGather(Array("\(Self.cores) \(Self.machine)".utf8)).map {
      String(decoding: $0, as: UTF8.self).split(separator: " ", maxSplits: 1)
    }
    let names = answers.map { $0.count > 1 ? String($0[1]) : "" }
    var known: [String] = []
    for name in names where !known.contains(name) { known.append(name) }
    self.init(
      cores: answers.map { $0.first.flatMap { Int($0) } ?? 1 },
      machines: names.contains("") ? nil : names.map { known.firstIndex(of: $0) ?? 0 },
      parties: group.exchangeParties)
  }

  private static var cores: Int { max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1) }

  /// What containers and network namespaces of one machine have in common; empty if it can't be read.
  ///
  /// random(4): a UUID that is made when the kernel starts.
  private static var machine: String {
    let file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = read(file, &bytes, bytes.count)
    return String(decoding: bytes[..<max(count, 0)].filter { $0 > 32 }, as: UTF8.self)
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
    let own = group.communicationTraffic
    let text = "\(own.exchange) \(own.statistics) \(own.shared)"
    self.init()
    for answer in try group.allGather(Array(text.utf8)) {
      let words = String(decoding: answer, as: UTF8.self).split(separator: " ")
      let numbers = words.map { Int($0) ?? 0 }
      guard numbers.count == 3 else { continue }
      exchange += numbers[0]
      statistics += numbers[1]
      shared += numbers[2]
    }
  }
}
