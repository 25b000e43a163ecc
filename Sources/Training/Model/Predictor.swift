// SPDX-License-Identifier: Apache-2.0
public import Datasets
public import NeuralCore

/// Computes a model's outputs for the rows of a dataset, this replica alone.
public struct Predictor {
  private let model: LoadedModel

  /// Predicts with a model.
  public init(_ model: LoadedModel) {
    self.model = model
  }

  /// Calls `body` with the outputs of some rows after another: probabilities if there are classes.
  ///
  /// - Throws: `NeuralCoreError` when the data have another number of columns than the model.
  public func run(
    _ dataset: Dataset, _ body: (_ firstRow: Int, _ outputs: MatrixView) throws -> Void
  ) throws {
    let rows = dataset.features.matrix(rows: dataset.rows, columns: dataset.columns)
    var first = 0
    while first < dataset.rows {
      let end = Swift.min(first + 1024, dataset.rows)
      let outputs = try model.network.infer(rows.rows(first..<end))
      if model.description.loss == .crossEntropy { Softmax.probabilities(outputs) }
      try body(first, outputs.readOnly)
      first = end
    }
    withExtendedLifetime(dataset) {}
  }
}
