// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// The split of rows into a training set and a held-out set.
public enum DataSplit {
  /// Splits rows at random, the same way for the same seed; both parts are in ascending order.
  ///
  /// - Parameter fraction: The fraction of rows that is held out, rounded to whole rows; if it is
  ///   above 0 and there are at least two rows, either part has at least one.
  public static func split(
    rows: Int, fraction: Double, seed: UInt64
  ) -> (training: [Int32], heldOut: [Int32]) {
    let all = Array(0..<Int32(rows))
    guard fraction > 0, rows >= 2 else { return (all, []) }
    let count = Swift.min(Swift.max(Int((Double(rows) * fraction).rounded()), 1), rows - 1)
    var shuffled = all
    var stream = PhiloxStream(seed: seed, purpose: .validationSplit)
    shuffled.withUnsafeMutableBufferPointer { shuffle($0, &stream) }
    var isHeldOut = [Bool](repeating: false, count: rows)
    for row in shuffled[..<count] { isHeldOut[Int(row)] = true }
    var (training, heldOut): ([Int32], [Int32]) = ([], [])
    training.reserveCapacity(rows - count)
    heldOut.reserveCapacity(count)
    for (row, isHeldOut) in isHeldOut.enumerated() {
      if isHeldOut { heldOut.append(Int32(row)) } else { training.append(Int32(row)) }
    }
    return (training, heldOut)
  }

  /// The Fisher-Yates shuffle.
  static func shuffle(
    _ values: UnsafeMutableBufferPointer<Int32>, _ stream: inout PhiloxStream
  ) {
    guard let base = values.baseAddress else { return }
    for last in stride(from: values.count - 1, to: 0, by: -1) {
      let other = Int(stream.next(below: UInt32(last + 1)))
      (base[last], base[other]) = (base[other], base[last])
    }
  }
}

/// The order of the rows in each epoch: a permutation keyed by seed and epoch.
public final class EpochOrder {
  private let rows: [Int32]
  private let seed: UInt64
  private let order: AlignedBuffer<Int32>
  private var epoch: Int?

  /// The orders of a set of rows.
  public init(rows: [Int32], seed: UInt64) {
    self.rows = rows
    self.seed = seed
    order = AlignedBuffer(count: rows.count)
  }

  /// The rows in the order of an epoch, counted from 0; valid until the next call.
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

/// The division of an epoch's rows into batches.
public struct BatchSchedule: Hashable, Sendable {
  /// The number of rows of an epoch.
  public let rows: Int
  /// The number of rows of a batch; the last one may be shorter.
  public let batchRows: Int
  /// Whether a shorter last batch is dropped.
  public let dropsLast: Bool

  /// Divides `rows` rows into batches of `batchRows`, at least one.
  public init(rows: Int, batchRows: Int, dropsLast: Bool = false) {
    precondition(batchRows > 0, "a batch must have at least one row")
    self.rows = rows
    self.batchRows = batchRows
    self.dropsLast = dropsLast
  }

  /// The number of batches, and so of steps, of an epoch.
  public var stepsPerEpoch: Int {
    dropsLast ? rows / batchRows : (rows + batchRows - 1) / batchRows
  }

  /// The positions in the epoch's order of batch `step`.
  public func range(ofStep step: Int) -> Range<Int> {
    step * batchRows..<Swift.min((step + 1) * batchRows, rows)
  }
}
