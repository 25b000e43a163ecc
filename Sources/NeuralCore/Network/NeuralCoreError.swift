// SPDX-License-Identifier: Apache-2.0

/// An error of a network's computations.
public enum NeuralCoreError: Error, CustomStringConvertible, Sendable {
  /// A matrix does not have the number of rows or columns that a layer or the loss needs.
  case shapeMismatch(what: String, expected: Int, found: Int)
  /// Two members of a composite layer have a tensor of the same name.
  case duplicateTensor(name: String)
  /// A class index is not in `0 ..< classes`, the range of the network's outputs.
  case classOutOfRange(index: Int, classes: Int)
  /// oneDNN failed to compute a matrix product, with a `dnnl_status_t`.
  case productFailed(rows: Int, columns: Int, inner: Int, status: Int)
  /// The loss or the gradient is NaN or infinite; no parameter has been changed.
  case notFinite(NotFiniteFinding)

  /// One line: what is wrong, and where.
  public var description: String {
    switch self {
    case .shapeMismatch(let what, let expected, let found):
      "\(what): expected \(expected), found \(found)"
    case .duplicateTensor(let name):
      "two members of a Sequential have a tensor \(name): give one of them another name"
    case .classOutOfRange(let index, let classes):
      "class index \(index) is out of range: the network has \(classes) outputs"
    case .productFailed(let rows, let columns, let inner, let status):
      "oneDNN failed to multiply \(rows) x \(inner) by \(inner) x \(columns), status \(status)"
    case .notFinite(let finding):
      finding.description
    }
  }
}

/// Where NaN or infinity first appeared in a step, judging by this replica's rows.
public struct NotFiniteFinding: Sendable, CustomStringConvertible {
  /// A quantity that is checked in each step.
  public enum Quantity: String, Sendable {
    /// The loss of the global batch.
    case loss
    /// The gradient of the global batch's loss.
    case gradient
  }

  /// The quantity that is NaN or infinite.
  public let quantity: Quantity
  /// The index of the first layer with non-finite results on this replica; nil if all are finite.
  public var layer: Int?
  /// The largest absolute value of all parameters.
  public let largestParameter: Float
  /// The largest absolute value of this replica's inputs.
  public var largestInput: Float

  /// One line: the quantity, the layer, and the largest values.
  public var description: String {
    let place = layer.map { ", first in layer \($0)" } ?? ""
    return "the \(quantity.rawValue) is not finite\(place) "
      + "(largest parameter \(largestParameter), largest input \(largestInput))"
  }
}
