// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// A matrix of features and its targets, each in a file of NumPy's.
enum NPYPair {
  static func load(
    _ featuresPath: String, _ targetsPath: String, _ options: LoadOptions
  ) throws(DatasetError) -> Dataset {
    let features = try NPYFile(featuresPath)
    guard features.shape.count == 2, features.count > 0 else {
      throw .malformed(
        featuresPath,
        "features must be a matrix with rows and columns, not of shape \(features.shape)")
    }
    let (rows, columns) = (features.shape[0], features.shape[1])
    let matrix = try floats(features, rows, columns)
    guard options.readsTargets else {
      return Dataset(rows: rows, columns: columns, features: matrix, targets: .absent)
    }
    let file = try NPYFile(targetsPath)
    guard (1...2).contains(file.shape.count), file.shape[0] == rows else {
      throw .malformed(
        targetsPath, "targets of shape \(file.shape) for \(rows) rows of features")
    }
    let width = file.shape.count == 2 ? file.shape[1] : 1
    let targets: Dataset.Targets
    if options.targets == .numeric && (file.isFloatingPoint || width > 1) {
      targets = .values(
        try floats(file, rows, width), names: (0..<width).map { "target \($0 + 1)" })
    } else {
      targets = try classes(file, width, options)
    }
    return Dataset(rows: rows, columns: columns, features: matrix, targets: targets)
  }

  private static func floats(
    _ file: NPYFile, _ rows: Int, _ columns: Int
  ) throws(DatasetError) -> AlignedBuffer<Float> {
    try ByteFile.requireMemory(4, times: rows * columns, file.path)
    let result = AlignedBuffer<Float>(count: rows * columns)
    for row in 0..<rows {
      for column in 0..<columns {
        let value = Float(file.element(row, column))
        guard value.isFinite else {
          throw .malformed(
            path: file.path, place: "row \(row), column \(column)",
            problem: "\(file.element(row, column)) is not a finite number in Float32")
        }
        result.base[row * columns + column] = value
      }
    }
    return result
  }

  private static func classes(
    _ file: NPYFile, _ width: Int, _ options: LoadOptions
  ) throws(DatasetError) -> Dataset.Targets {
    guard width == 1 else {
      throw .malformed(file.path, "classes are one column, not \(width)")
    }
    var labels: [String] = []
    for row in 0..<file.shape[0] {
      guard let label = Int(exactly: file.element(row)) else {
        throw .malformed(
          path: file.path, place: "row \(row)",
          problem: "\(file.element(row)) is not a class: use whole numbers, or --loss mse")
      }
      labels.append("\(label)")
    }
    return try ClassLabels.targets(labels, known: options.knownLabels, path: file.path) {
      "row \($0)"
    }
  }
}
