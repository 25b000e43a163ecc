// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// Gaussian features, each row's class the largest output of a random linear teacher.
enum SyntheticData {
  static func make(rows: Int, features: Int, classes: Int, seed: UInt64) -> Dataset {
    let x = AlignedBuffer<Float>(count: rows * features)
    PhiloxStream(seed: seed, purpose: .syntheticData, subject: 0)
      .fillNormal(x.mutableElements, standardDeviation: 1)
    let teacher = AlignedBuffer<Float>(count: classes * features)
    PhiloxStream(seed: seed, purpose: .syntheticData, subject: 1)
      .fillNormal(teacher.mutableElements, standardDeviation: 1)
    let y = AlignedBuffer<Int32>(count: rows)
    let outputs = AlignedBuffer<Float>(count: classes)
    for row in 0..<rows {
      for k in 0..<classes {
        var sum: Float = 0
        for j in 0..<features { sum += x.base[row * features + j] * teacher.base[k * features + j] }
        outputs.base[k] = sum
      }
      y.base[row] = Int32(NeuralCore.Targets.largest(outputs.base, classes))
    }
    return Dataset(
      rows: rows, columns: features, features: x,
      targets: .classes(y, labels: (0..<classes).map(String.init)))
  }
}
