// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// Which rows are trained on and which are held out.
public enum DataSplit {
  /// Splits rows by chance, the same for the same seed; both parts ascend.
  ///
  /// - Parameter fraction: the share of rows that is held out, rounded to whole rows; at least one
  ///   row is on either side if the fraction is above 0 and there are two rows.
  public static func split(
    rows: Int, fraction: Double, seed: UInt64
  ) -> (training: [Int32], heldOut: [Int32]) {
    let all = Array(0..<Int32(rows))
    guard fraction > 0, rows >= 2 else { return (all, []) }
    let count = Swift.min(Swift.max(Int((Double(rows) * fraction).rounded()), 1), rows - 1)
    var shuffled = all
    var stream = PhiloxStream(seed: seed, purpose: .validationSplit)
    shuffled.withUnsafeMutableBufferPointer { shuffle($0, &stream) }
    return (shuffled[count...].sorted(), shuffled[..<count].sorted())
  }

  /// Fisher and Yates's shuffle.
  static func shuffle(
    _ values: UnsafeMutableBufferPointer<Int32>, _ stream: inout PhiloxStream
  ) {
    for last in stride(from: values.count - 1, to: 0, by: -1) {
      values.swapAt(last, Int(stream.next(below: UInt32(last + 1))))
    }
  }
}

/// The order in which an epoch takes its rows: a permutation keyed by seed and epoch.
public final class EpochOrder {
  private let rows: [Int32]
  private let seed: UInt64
  private let order: AlignedBuffer<Int32>
  private var epoch: Int?

  /// Orders of some rows.
  public init(rows: [Int32], seed: UInt64) {
    self.rows = rows
    self.seed = seed
    order = AlignedBuffer(count: rows.count)
  }

  /// The rows in the order of an epoch, 0 for the first; valid until the next call.
  public func rows(ofEpoch wanted: Int) -> UnsafeBufferPointer<Int32> {
    if epoch != wanted {
      _ = order.mutableElements.update(fromContentsOf: rows)
      var stream = PhiloxStream(
        seed: seed, purpose: .epochOrder, subject: UInt32(truncatingIfNeeded: wanted))
      DataSplit.shuffle(order.mutableElements, &stream)
      epoch = wanted
    }
    return order.elements
  }
}

/// How an epoch's rows are cut into batches.
public struct BatchSchedule: Hashable, Sendable {
  /// How many rows an epoch has.
  public let rows: Int
  /// How many rows a batch has; the last one may be shorter.
  public let batchRows: Int
  /// Whether a last batch that is shorter is left out.
  public let dropsLast: Bool

  /// Cuts `rows` rows into batches of `batchRows`, at least one row each.
  public init(rows: Int, batchRows: Int, dropsLast: Bool = false) {
    precondition(batchRows > 0, "a batch has rows")
    self.rows = rows
    self.batchRows = batchRows
    self.dropsLast = dropsLast
  }

  /// How many batches an epoch has.
  public var stepsPerEpoch: Int {
    dropsLast ? rows / batchRows : (rows + batchRows - 1) / batchRows
  }

  /// The places in the epoch's order that batch `step` takes.
  public func range(ofStep step: Int) -> Range<Int> {
    step * batchRows..<Swift.min((step + 1) * batchRows, rows)
  }
}
