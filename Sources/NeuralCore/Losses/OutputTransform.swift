// SPDX-License-Identifier: Apache-2.0

/// What a network's outputs stand for: the function that turns them into what a loss function takes
/// them to predict.
///
/// Losses compute on outputs, for the sake of numerical stability; predictions and scores are of
/// transformed outputs.
public enum OutputTransform: Sendable {
  /// Outputs are the predicted values.
  case identity
  /// softmax(z): a probability per class, which sum to 1 over a row.
  case softmax
  /// 1 / (1 + exp(-z)): a probability per target, independent of the others.
  case sigmoid
  /// exp(z): a rate per target; infinity from z = 88.73 upward.
  case exponential

  /// Replaces outputs by what they stand for.
  public func apply(_ outputs: MutableMatrixView) {
    let z = outputs.readOnly.elements
    switch self {
    case .identity: break
    case .softmax: Softmax.probabilities(outputs)
    case .sigmoid: Sigmoid().apply(z, into: outputs.elements)
    case .exponential: Vectors.map(z, into: outputs.elements) { Exponential.exp($0) }
    }
  }
}
