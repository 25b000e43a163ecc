// SPDX-License-Identifier: Apache-2.0
internal import Coordination
public import NeuralCore

/// The outputs of all rows of an evaluation, in the order of the rows.
public struct GatheredOutputs {
  /// The outputs, `rows x columns`, in row-major order.
  public let values: AlignedBuffer<Float>
  /// The number of rows.
  public let rows: Int
  /// The number of outputs of a row.
  public let columns: Int

  /// Outputs of `rows * columns` elements.
  public init(values: AlignedBuffer<Float>, rows: Int, columns: Int) {
    precondition(values.count >= rows * columns, "outputs of rows x columns elements")
    self.values = values
    self.rows = rows
    self.columns = columns
  }
}

/// Gathers the outputs that each rank computes on rank 0, some batches at a time.
///
/// A rank holds the outputs of its own rows of a few batches, rank 0 those of all rows.
final class OutputGatherer {
  private let columns: Int
  private let rows: Int
  private let partition: SlicePartition
  private let group: any ProcessGroup
  private let all: AlignedBuffer<Float>?
  /// This rank's outputs of the batches that are not gathered yet.
  private var pending: [Float] = []
  private var pendingBatches: [Range<Int>] = []

  /// All ranks' outputs of the batches that are gathered at once take about so many bytes.
  private static let chunkBytes = 1 << 22

  /// - Parameter partition: the slices of each batch.
  init(rows: Int, columns: Int, partition: SlicePartition, _ group: any ProcessGroup) {
    self.rows = rows
    self.columns = columns
    self.partition = partition
    self.group = group
    all = group.rank == 0 ? AlignedBuffer(count: rows * columns) : nil
  }

  /// Adds outputs of this rank's next rows of a batch.
  func add(_ outputs: MatrixView) {
    for row in 0..<outputs.rows {
      pending += UnsafeBufferPointer(start: outputs.row(row), count: columns)
    }
  }

  /// Ends a batch, of which every rank has added its rows; all ranks.
  func endBatch(_ batch: Range<Int>) throws {
    pendingBatches.append(batch)
    let count = pendingBatches.reduce(0) { $0 + $1.count }
    if count * columns * MemoryLayout<Float>.stride >= Self.chunkBytes { try gather() }
  }

  /// The outputs of all rows, on rank 0; all ranks.
  func finish() throws -> GatheredOutputs? {
    if !pendingBatches.isEmpty { try gather() }
    return all.map { GatheredOutputs(values: $0, rows: rows, columns: columns) }
  }

  private func gather() throws {
    let parts = try group.allGather(pending.withUnsafeBytes { Array($0) })
    defer {
      pending.removeAll(keepingCapacity: true)
      pendingBatches.removeAll(keepingCapacity: true)
    }
    guard let all else { return }
    for (rank, bytes) in parts.enumerated() {
      let slices = SlicePartition(count: partition.count, rank: rank, of: group.size)
      var first = 0
      for batch in pendingBatches {
        let owned = slices.ownedRows(batchRows: batch.count)
        let count = owned.count * columns
        let target = all.base + (batch.lowerBound + owned.lowerBound) * columns
        bytes.withUnsafeBytes { bytes in
          let part = UnsafeRawBufferPointer(
            rebasing: bytes[first..<first + count * MemoryLayout<Float>.stride])
          UnsafeMutableRawBufferPointer(
            UnsafeMutableBufferPointer(start: target, count: count)
          ).copyMemory(from: part)
        }
        first += count * MemoryLayout<Float>.stride
      }
    }
  }
}
