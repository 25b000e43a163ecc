// SPDX-License-Identifier: Apache-2.0
public import Coordination
public import Datasets
internal import Foundation
internal import NeuralCore

/// Data that each machine reads and keeps once, however many replicas it has.
public enum MachineData {
  /// Loads data on the first replica of each machine, and shows them to the others; all replicas.
  ///
  /// Where a machine has no room for them in shared memory, each of its replicas reads and keeps its own.
  ///
  /// - Parameters:
  ///   - read: reads the data; called on some replicas only, and never waits for others.
  ///   - warn: is given a sentence, on replica 0, if some machine had no room.
  /// - Throws: `Failure` on all replicas alike when reading fails on any.
  public static func load(
    on group: any ProcessGroup, transport: ExchangeOptions.Transport = .auto,
    _ read: () throws -> LoadedData, warn: (String) -> Void = { _ in }
  ) throws -> LoadedData {
    let machine = try group.ranksSharingMemory(transport)
    let isFirst = group.rank == machine.lowerBound
    let own = try group.agree { isFirst ? try read() : nil }
    if try group.minimum(isFirst ? 1 : 0) == 1, let own { return own }
    let all = try group.allGather(values: own?.shapes ?? [])[machine.lowerBound]
    let bytes = all.reduce(0) { $0 + $1.byteCount }
    let memory = try group.shareBytes(transport, count: bytes) { memory in
      var place = memory
      for dataset in own?.datasets ?? [] {
        dataset.copyNumbers(to: place)
        place += dataset.shape.byteCount
      }
    }
    try tell(group, hasRoom: memory != nil, bytes: bytes, warn)
    return try group.agree {
      if let memory, let data = LoadedData(all, in: memory) { return data }
      return try own ?? read()
    }
  }

  /// Warns of machines without room, on replica 0; all replicas.
  private static func tell(
    _ group: any ProcessGroup, hasRoom: Bool, bytes: Int, _ warn: (String) -> Void
  ) throws {
    let answers = try group.allGather(values: hasRoom)
    let hosts = Set(answers.indices.filter { !answers[$0] }.map { group.hosts[$0] }).sorted()
    guard group.rank == 0, let first = hosts.first else { return }
    let others = hosts.count > 1 ? " and \(hosts.count - 1) more" : ""
    warn(
      "\(first)\(others): no shared memory for the data (\(bytes >> 20) MB): each rank keeps its own"
    )
  }
}

extension LoadedData {
  fileprivate var datasets: [Dataset] { [training] + (heldOut.map { [$0] } ?? []) }

  fileprivate var shapes: [DatasetShape] { datasets.map(\.shape) }

  /// Datasets whose numbers lie one after the other.
  fileprivate init?(_ shapes: [DatasetShape], in memory: AlignedBuffer<UInt8>) {
    guard let first = shapes.first else { return nil }
    self.init(
      training: Dataset(first, in: memory, from: 0),
      heldOut: shapes.dropFirst().first.map { Dataset($0, in: memory, from: first.byteCount) })
  }
}
