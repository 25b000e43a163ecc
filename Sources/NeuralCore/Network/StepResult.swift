// SPDX-License-Identifier: Apache-2.0

/// What one training step found; the same on every replica.
public struct StepResult: Sendable {
  /// The mean loss of the global batch, before the update.
  public let loss: Double
  /// The share of the batch's rows whose largest output is the right one, before the update.
  public let accuracy: Double
  /// The learning rate of the update.
  public let learningRate: Double
  /// The norm of the gradient over all parameters, before clipping.
  public let gradientNorm: Double
  /// The sum of the replicas' ``NeuralNetwork/vote``.
  public let votes: Int
}

/// Loss and right answers added up over rows; the same on every replica.
public struct BatchTotals: Sendable {
  /// How many rows were added up.
  public private(set) var rows: Int
  /// The sum of the rows' losses.
  public private(set) var lossSum: Double
  /// How many rows have their largest output where it should be.
  public private(set) var correctRows: Int
  /// The sum of the votes that were cast with them.
  public private(set) var votes: Int

  /// Totals of some rows.
  public init(rows: Int = 0, lossSum: Double = 0, correctRows: Int = 0, votes: Int = 0) {
    self.rows = rows
    self.lossSum = lossSum
    self.correctRows = correctRows
    self.votes = votes
  }

  /// The mean loss of a row.
  public var loss: Double { lossSum / Double(rows) }
  /// The share of right rows.
  public var accuracy: Double { Double(correctRows) / Double(rows) }

  /// Adds the totals of further rows.
  public static func += (total: inout BatchTotals, more: BatchTotals) {
    total.rows += more.rows
    total.lossSum += more.lossSum
    total.correctRows += more.correctRows
    total.votes += more.votes
  }
}
