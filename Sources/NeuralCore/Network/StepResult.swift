// SPDX-License-Identifier: Apache-2.0

/// What one training step found; the same on every replica.
public struct StepResult: Sendable {
  /// The mean loss of the global batch, before the update.
  public let loss: Double
  /// The share of the batch's rows whose largest output is the correct one, before the update.
  public let accuracy: Double
  /// The learning rate of the update.
  public let learningRate: Double
  /// The norm of the gradient over all parameters, before clipping.
  public let gradientNorm: Double
  /// The sum of the control words that the replicas gave to
  /// ``NeuralNetwork/computeGradients(_:controlWord:)``.
  public let controlWords: Int
}

/// Loss and correct predictions added up over rows; the same on every replica.
public struct BatchTotals: Sendable {
  /// The number of rows.
  public private(set) var rows: Int
  /// The sum of the rows' losses.
  public private(set) var lossSum: Double
  /// The number of rows whose largest output is the correct one.
  public private(set) var correctRows: Int

  /// Totals of some rows.
  public init(rows: Int = 0, lossSum: Double = 0, correctRows: Int = 0) {
    self.rows = rows
    self.lossSum = lossSum
    self.correctRows = correctRows
  }

  /// The mean loss per row.
  public var loss: Double { lossSum / Double(rows) }
  /// The share of correct rows.
  public var accuracy: Double { Double(correctRows) / Double(rows) }

  /// Adds the totals of further rows.
  public static func += (total: inout BatchTotals, more: BatchTotals) {
    total.rows += more.rows
    total.lossSum += more.lossSum
    total.correctRows += more.correctRows
  }
}
