// SPDX-License-Identifier: Apache-2.0

/// Checks and readings of targets.
public enum Targets {
  /// Checks once that targets fit the outputs of the same rows, so that kernels need not.
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

  /// The target of one output, with classes as one-hot rows.
  @inline(__always)
  static func value(_ targets: TargetView, _ row: Int, _ column: Int) -> Float {
    switch targets {
    case .classes(let classes): Int(classes[row]) == column ? 1 : 0
    case .values(let values): values.base[row * values.columns + column]
    }
  }

  /// How many rows have their largest output where the target is largest; ties go to the first.
  public static func correctRows(_ outputs: MatrixView, _ targets: TargetView) -> Int {
    var correct = 0
    for row in 0..<outputs.rows {
      let y = outputs.base + row * outputs.columns
      let wanted =
        switch targets {
        case .classes(let classes): Int(classes[row])
        case .values(let values): largest(values.row(row), values.columns)
        }
      if isLargest(wanted, of: y, outputs.columns) { correct += 1 }
    }
    return correct
  }

  /// Whether number `index` is the largest of some, and the first of those as large.
  @inline(__always)
  private static func isLargest(
    _ index: Int, of values: UnsafePointer<Float>, _ count: Int
  ) -> Bool {
    let best = values[index]
    var excess = 0
    for j in 0..<index where !(values[j] < best) { excess &+= 1 }
    for j in index..<count where !(values[j] <= best) { excess &+= 1 }
    return excess == 0
  }

  /// The index of the largest of some numbers; the first, if several are equal.
  public static func largest(_ values: UnsafePointer<Float>, _ count: Int) -> Int {
    var best = 0
    for j in 1..<Swift.max(count, 1) where values[j] > values[best] { best = j }
    return best
  }
}
