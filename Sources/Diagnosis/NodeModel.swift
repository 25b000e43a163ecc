// SPDX-License-Identifier: Apache-2.0

/// How long one node's step takes by itself: `fixed + perRow * rows + update`.
public struct NodeModel: Codable, Hashable, Sendable {
  /// Seconds that don't depend on the rows of the batch.
  public let fixed: Double
  /// Seconds for each row of the node's part of the batch.
  public let perRow: Double
  /// Seconds of the whole update, of which each node has its share.
  public let update: Double

  /// A node with its numbers.
  public init(fixed: Double, perRow: Double, update: Double) {
    self.fixed = fixed
    self.perRow = perRow
    self.update = update
  }

  /// A node whose step of `rows` rows takes `seconds`, the update included, all of the rest by rows.
  public init(seconds: Double, rows: Int, update: Double) {
    self.init(fixed: 0, perRow: (seconds - update) / Double(rows), update: update)
  }

  /// Through two measured steps of different batches; nothing gets negative where noise would make it so.
  public init(
    seconds: Double, rows: Int, smallerSeconds: Double, smallerRows: Int, update: Double
  ) {
    let work = Swift.max(seconds - update, 0)
    let slope = (seconds - smallerSeconds) / Double(Swift.max(rows - smallerRows, 1))
    perRow = Swift.min(Swift.max(slope, 0), work / Double(rows))
    fixed = work - perRow * Double(rows)
    self.update = update
  }

  /// Seconds of computing, without the update.
  public func compute(rows: Double) -> Double { fixed + perRow * rows }

  /// Seconds of a whole step on one node.
  public func step(rows: Int) -> Double { compute(rows: Double(rows)) + update }
}
