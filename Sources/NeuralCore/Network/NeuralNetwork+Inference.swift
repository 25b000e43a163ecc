// SPDX-License-Identifier: Apache-2.0

extension NeuralNetwork {
  /// The outputs for some rows, with the running statistics; changes nothing that is learned.
  ///
  /// This replica alone. The result lies in the network's own memory, valid until the next call.
  ///
  /// - Throws: ``NeuralCoreError/shapeMismatch(what:expected:found:)`` when the rows have another
  ///   number of columns than the first layer.
  public func infer(_ rows: MatrixView) throws -> MutableMatrixView {
    guard rows.columns == inputs else {
      throw NeuralCoreError.shapeMismatch(
        what: "columns of the data", expected: inputs, found: rows.columns)
    }
    reserve(rows: rows.rows)
    var input = rows
    var output = MutableMatrixView(activations[0].base, rows: rows.rows, columns: 0)
    for (index, layer) in layers.enumerated() {
      output = activations[index % 2].mutableMatrix(rows: rows.rows, columns: layer.outputs)
      try layer.infer(input, into: output, memories[index])
      input = output.readOnly
    }
    return output
  }
}
