internal import Coordination
public import DataParallel
// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import Machine

extension MPIProcessGroup {
  /// The report of each host, in the order of first ranks; all ranks, which all get the same.
  ///
  /// Call it after ``measureLinks(within:)``: connections are there once something was sent.
  ///
  /// - Parameters:
  ///   - program: what this rank's program knows about itself.
  ///   - clockOffsets: seconds that each rank's time of day is ahead of that of rank 0.
  /// - Throws: `MPIError` when messages fail.
  public func reportHosts(
    _ program: HostReport.Program, clockOffsets: [Double]
  ) throws -> [HostReport] {
    let name = hosts[rank]
    let own = HostReport(
      host: name, ranks: hosts.indices.filter { hosts[$0] == name }, program: program,
      processor: Host.processor, cores: Host.cores, memoryBytes: Memory.totalBytes,
      sharedMemory: Memory.sharedBytes.map { HostReport.Room(bytes: $0.total, freeBytes: $0.free) },
      clockSource: Host.clockSource,
      clockOffsetS: clockOffsets.indices.contains(rank) ? clockOffsets[rank] : 0,
      addresses: UsedAddresses.current)
    let all = try allGather(Array(JSONEncoder().encode(own)))
    return try all.enumerated().compactMap { rank, bytes in
      guard hosts.firstIndex(of: hosts[rank]) == rank else { return nil }
      return try JSONDecoder().decode(HostReport.self, from: Data(bytes))
    }
  }
}
