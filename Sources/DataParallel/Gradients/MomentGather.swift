// SPDX-License-Identifier: Apache-2.0
internal import MessagePassing
internal import NeuralCore

/// Brings the optimizer's moments from the owners of the shards to rank 0.
final class OptimizerStateGather {
  private let communicator: Communicator
  private let table: ParameterTable
  private let shards: ShardTable

  init(_ communicator: Communicator, _ table: ParameterTable, _ shards: ShardTable) {
    self.communicator = communicator
    self.table = table
    self.shards = shards
  }

  /// Gathers from all ranks: on rank 0 one buffer a moment, laid out as the parameters.
  func gather(_ state: OptimizerState, sharded: Bool) throws -> [AlignedBuffer<Float>] {
    guard sharded else {
      return communicator.rank == 0
        ? (0..<state.momentCount).map { AlignedBuffer(state.moment($0)) } : []
    }
    guard communicator.rank == 0 else {
      for index in 0..<state.momentCount {
        try communicator.send(UnsafeBufferPointer(state.moment(index)), to: 0, tag: index)
      }
      return []
    }
    return try (0..<state.momentCount).map { index in
      let whole = AlignedBuffer<Float>(count: table.parameterCount)
      place(UnsafePointer(state.moment(index).baseAddress), ofRank: 0, into: whole)
      for rank in 1..<communicator.size {
        let count = shards.ranges(ofRank: rank).reduce(0) { $0 + $1.count }
        let part = AlignedBuffer<Float>(count: count)
        try communicator.receive(into: part.mutableElements, from: rank, tag: index)
        place(UnsafePointer(part.base), ofRank: rank, into: whole)
      }
      return whole
    }
  }

  private func place(
    _ values: UnsafePointer<Float>?, ofRank rank: Int, into whole: AlignedBuffer<Float>
  ) {
    guard var source = values else { return }
    for range in shards.ranges(ofRank: rank) {
      (whole.base + range.lowerBound).update(from: source, count: range.count)
      source += range.count
    }
  }
}
