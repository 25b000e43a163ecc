// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// Gaussian features, each row's class the largest output of a random linear teacher.
enum SyntheticData {
  static func make(rows: Int, features: Int, classes: Int, seed: UInt64) -> Dataset {
    let x = AlignedBuffer<Float>(count: rows * features)
    PhiloxStream(seed: seed, purpose: .syntheticData, subject: 0)
      .fillNormal(x.mutableElements, standardDeviation: 1)
    let teacher = teacher(classes: classes, features: features, seed: seed)
    let y = AlignedBuffer<Int32>(count: rows)
    let outputs = AlignedBuffer<Float>(count: classes)
    withExtendedLifetime((x, teacher, outputs)) {
      for row in 0..<rows {
        teach(x.base + row * features, features, teacher.base, into: outputs)
        y.base[row] = Int32(NeuralCore.Targets.argmax(outputs.base, classes))
      }
    }
    return Dataset(
      rows: rows, columns: features, features: x,
      targets: .classes(y, labels: (0..<classes).map(String.init)))
  }

  /// The weights of all classes, feature by feature.
  private static func teacher(classes: Int, features: Int, seed: UInt64) -> AlignedBuffer<Float> {
    let byClass = AlignedBuffer<Float>(count: classes * features)
    let byFeature = AlignedBuffer<Float>(count: classes * features)
    withExtendedLifetime(byClass) {
      PhiloxStream(seed: seed, purpose: .syntheticData, subject: 1)
        .fillNormal(byClass.mutableElements, standardDeviation: 1)
      TensorLayout(shape: [classes, features], order: .columnMajor)
        .arrange(byRows: byClass.base, into: byFeature.base)
    }
    return byFeature
  }

  /// The teacher's outputs for a row: each adds the features up in their order, so that all machines
  /// find the same classes.
  private static func teach(
    _ x: UnsafePointer<Float>, _ features: Int, _ teacher: UnsafePointer<Float>,
    into outputs: AlignedBuffer<Float>
  ) {
    let (sums, classes) = (outputs.base, outputs.count)
    outputs.fill(with: 0)
    for j in 0..<features {
      Reductions.add(teacher + j * classes, times: x[j], to: sums, classes)
    }
  }
}
