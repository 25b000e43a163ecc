// SPDX-License-Identifier: Apache-2.0

/// What can go wrong while a network computes.
public enum NeuralCoreError: Error, CustomStringConvertible, Sendable {
  /// A matrix does not have the number of columns that a layer or the loss needs.
  case shapeMismatch(what: String, expected: Int, found: Int)
  /// A class index is not one of the network's outputs.
  case classOutOfRange(index: Int, classes: Int)
  /// The library for matrix products refused one.
  case productFailed(rows: Int, columns: Int, inner: Int, status: Int)
  /// The loss or the gradient is NaN or infinite; no parameter was changed.
  case notFinite(NotFiniteFinding)

  /// One sentence that names what is wrong.
  public var description: String {
    switch self {
    case .shapeMismatch(let what, let expected, let found):
      "\(what): expected \(expected), found \(found)"
    case .classOutOfRange(let index, let classes):
      "class index \(index) is not below the number of classes, \(classes)"
    case .productFailed(let rows, let columns, let inner, let status):
      "oneDNN refused the product \(rows) x \(inner) x \(columns) with status \(status)"
    case .notFinite(let finding):
      finding.description
    }
  }
}

/// Where a step first stopped being finite, as far as this replica's rows tell.
public struct NotFiniteFinding: Sendable, CustomStringConvertible {
  /// What was NaN or infinite.
  public enum Quantity: String, Sendable {
    /// The loss of the batch.
    case loss
    /// The gradient of the batch.
    case gradient
  }

  /// What was NaN or infinite.
  public let quantity: Quantity
  /// The first layer, 0 for the first, whose results are not finite on this replica; nil if all are.
  public var layer: Int?
  /// The largest magnitude among the parameters.
  public let largestParameter: Float
  /// The largest magnitude among this replica's inputs.
  public var largestInput: Float

  /// One sentence that names quantity, layer and magnitudes.
  public var description: String {
    let place = layer.map { ", first in layer \($0)" } ?? ""
    return "the \(quantity.rawValue) is not finite\(place) "
      + "(largest parameter \(largestParameter), largest input \(largestInput))"
  }
}
