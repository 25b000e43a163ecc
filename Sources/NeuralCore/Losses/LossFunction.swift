// SPDX-License-Identifier: Apache-2.0

/// A loss function: what training minimizes, from outputs and targets.
///
/// Its members compute on some rows of a batch; the network adds over slices and replicas, and
/// divides by the number of rows of the global batch. A custom loss needs only
/// ``compute(_:_:)`` and ``derivative(_:_:batchRows:into:)``.
public protocol LossFunction: Sendable {
  /// What outputs stand for: the predicted values themselves, unless a loss says otherwise.
  var outputTransform: OutputTransform { get }

  /// The sum of the rows' losses, not divided by their number.
  ///
  /// - Throws: ``NeuralCoreError`` if outputs and targets don't fit.
  func compute(_ outputs: MatrixView, _ targets: TargetView) throws -> Double

  /// The derivative with respect to the outputs of (sum of the rows' losses) / `batchRows`.
  ///
  /// - Parameters:
  ///   - batchRows: the number of rows of the global batch.
  ///   - gradient: receives the derivative, in the shape of `outputs`.
  /// - Throws: ``NeuralCoreError`` if outputs and targets don't fit.
  func derivative(
    _ outputs: MatrixView, _ targets: TargetView, batchRows: Int,
    into gradient: MutableMatrixView) throws

  /// Both at once: returns the result of ``compute(_:_:)``, and writes the one of
  /// ``derivative(_:_:batchRows:into:)``.
  ///
  /// The default implementation calls both; a custom one is worthwhile only for speed.
  func computeWithDerivative(
    _ outputs: MatrixView, _ targets: TargetView, batchRows: Int,
    into gradient: MutableMatrixView
  ) throws -> Double
}

extension LossFunction {
  public var outputTransform: OutputTransform { .identity }

  public func computeWithDerivative(
    _ outputs: MatrixView, _ targets: TargetView, batchRows: Int,
    into gradient: MutableMatrixView
  ) throws -> Double {
    try derivative(outputs, targets, batchRows: batchRows, into: gradient)
    return try compute(outputs, targets)
  }
}

/// The mean squared error: the mean over rows of the squared Euclidean distance.
///
///     loss       = 1/B * sum over rows of ||yhat - y||^2
///     derivative = 2/B * (yhat - y)
///
/// B is the number of rows of the global batch, yhat are the outputs and y the targets. The squares
/// are summed, not averaged, over the columns: `torch.nn.MSELoss` divides by the columns too. Class
/// targets are converted to one-hot rows.
public struct MeanSquaredError: LossFunction {
  /// Creates the loss.
  public init() {}

  public func compute(_ outputs: MatrixView, _ targets: TargetView) throws -> Double {
    try Targets.check(targets, against: outputs)
    var sum = 0.0
    for row in 0..<outputs.rows {
      let y = outputs.row(row)
      var rowSum = 0.0
      for j in 0..<outputs.columns {
        let d = Double(y[j]) - Double(Targets.value(targets, row, j))
        rowSum += d * d
      }
      sum += rowSum
    }
    return sum
  }

  public func derivative(
    _ outputs: MatrixView, _ targets: TargetView, batchRows: Int,
    into gradient: MutableMatrixView
  ) throws {
    try Targets.check(targets, against: outputs)
    let factor = 2 / Float(batchRows)
    for row in 0..<outputs.rows {
      let y = outputs.row(row)
      let g = gradient.base + row * gradient.columns
      for j in 0..<outputs.columns {
        g[j] = factor * (y[j] - Targets.value(targets, row, j))
      }
    }
  }
}

/// Operations on targets: validation, element access and classification accuracy.
public enum Targets {
  /// Checks that targets fit the outputs of the same rows, so that kernels need no checks.
  ///
  /// - Throws: ``NeuralCoreError`` if they don't.
  static func check(_ targets: TargetView, against outputs: MatrixView) throws {
    guard targets.rows == outputs.rows else {
      throw NeuralCoreError.shapeMismatch(
        what: "rows of targets", expected: outputs.rows, found: targets.rows)
    }
    switch targets {
    case .classes(let classes):
      for index in classes where index < 0 || Int(index) >= outputs.columns {
        throw NeuralCoreError.classOutOfRange(index: Int(index), classes: outputs.columns)
      }
    case .values(let values):
      guard values.columns == outputs.columns else {
        throw NeuralCoreError.shapeMismatch(
          what: "columns of targets", expected: outputs.columns, found: values.columns)
      }
    }
  }

  /// The target of one output; class targets are one-hot rows.
  @inline(__always)
  static func value(_ targets: TargetView, _ row: Int, _ column: Int) -> Float {
    switch targets {
    case .classes(let classes): Int(classes[row]) == column ? 1 : 0
    case .values(let values): values.base[row * values.columns + column]
    }
  }

  /// The number of correct predictions: rows whose largest output is where the largest target is.
  ///
  /// In case of ties the first of the largest counts.
  public static func correctRows(_ outputs: MatrixView, _ targets: TargetView) -> Int {
    var correct = 0
    for row in 0..<outputs.rows {
      let y = outputs.base + row * outputs.columns
      let target =
        switch targets {
        case .classes(let classes): Int(classes[row])
        case .values(let values): argmax(values.row(row), values.columns)
        }
      if isArgmax(target, of: y, outputs.columns) { correct += 1 }
    }
    return correct
  }

  /// The number of elements whose probability is on the same side of 1/2 as their target; 1/2 itself
  /// is on the side of 1.
  public static func correctElements(_ probabilities: MatrixView, _ targets: TargetView) -> Int {
    var correct = 0
    for row in 0..<probabilities.rows {
      let p = probabilities.row(row)
      for j in 0..<probabilities.columns where (p[j] >= 0.5) == (value(targets, row, j) >= 0.5) {
        correct += 1
      }
    }
    return correct
  }

  /// Whether `index` is the index of the first maximum.
  @inline(__always)
  private static func isArgmax(
    _ index: Int, of values: UnsafePointer<Float>, _ count: Int
  ) -> Bool {
    let best = values[index]
    var excess = 0
    for j in 0..<index where !(values[j] < best) { excess &+= 1 }
    for j in index..<count where !(values[j] <= best) { excess &+= 1 }
    return excess == 0
  }

  /// The index of the maximum of `count` values; the first one in case of ties.
  public static func argmax(_ values: UnsafePointer<Float>, _ count: Int) -> Int {
    var best = 0
    for j in 1..<Swift.max(count, 1) where values[j] > values[best] { best = j }
    return best
  }
}
